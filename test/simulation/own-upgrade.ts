// The upgrade of a gateway on machines of its own: a release is published, and a person asks for it, and takes it back.
import { hasEnded, UpgradeState } from '../../functions/plan/upgrade-state.ts';
import { NOBODY, OVERDUE_MS } from './edge.ts';
import type { HumanHand } from './human-hand.ts';
import type { SiteCatalogue } from './site-catalogue.ts';
import type { SiteReleases } from './site-releases.ts';
import { isGood, isTooFar, type UpgradePlan } from './upgrade-scenario.ts';
import type { World } from './world.ts';

/** Asked again: nothing of the gateway is connected, or who should answer does not. */
const PASSES: ReadonlySet<string> = new Set(['GATEWAY_NOT_RUNNING', 'UNAVAILABLE']);

type UpgradeParts = { readonly releases: SiteReleases; readonly people: HumanHand; readonly catalogue: SiteCatalogue };

export class OwnUpgrade {
  readonly #world: World;
  readonly plan: UpgradePlan;
  readonly releases: SiteReleases;
  readonly #people: HumanHand;
  readonly #catalogue: SiteCatalogue;
  /** When it was first asked for. */
  askedAt: number | null = null;
  /** What the console said; null before it has. */
  answer: 'taken' | string | null = null;
  #isTakenBack = false;
  /** In its row: when it goes on, as far as the edge knows. */
  #dueAt: number | null = null;
  #isAsking = false;

  constructor(world: World, plan: UpgradePlan, parts: UpgradeParts) {
    this.#world = world;
    this.plan = plan;
    this.releases = parts.releases;
    this.#people = parts.people;
    this.#catalogue = parts.catalogue;
  }

  /** From time to time, once the gateway is installed. */
  look(now: number, installedAt: number): void {
    const { afterMs, cancelAfterMs, noSpareMs } = this.plan;
    if (now < installedAt + afterMs || this.#isAsking) return;
    if (this.askedAt === null) {
      this.askedAt = now;
      if (noSpareMs > 0) this.#people.takesEvery(noSpareMs);
    }
    if (this.answer === null) this.#alone(() => this.#ask(this.askedAt ?? now));
    else if (cancelAfterMs !== null && !this.#isTakenBack && now >= this.askedAt + cancelAfterMs)
      this.#alone(() => this.#takeBack());
  }

  /** What functions/tell-release.ts does for a gateway whose upgrade is overdue. */
  sweep(): void {
    const { edge, site } = this.#world;
    const [seen, { published }] = [this.#dueAt, this.releases];
    if (seen === null || published === null || seen >= site.timeline.now - OVERDUE_MS) return;
    const told = edge.gateway.call(NOBODY(site), 'released', (logic) => logic.releasePublished(this.#published()));
    told.then(
      (dueAt) => {
        if (this.#dueAt === seen) this.#dueAt = dueAt;
      },
      () => undefined,
    );
  }

  /** As the gateway's object has stored it. */
  state(): UpgradeState | null {
    const { storage } = this.#world.edge.gateway;
    const [row] = storage.run('SELECT state FROM upgrade');
    storage.commit();
    return row === undefined ? null : UpgradeState.parse(JSON.parse(String(row.state)));
  }

  /** How many clusters stand in line for its end. */
  queued(): number {
    const { storage } = this.#world.edge.gateway;
    const [row] = storage.run('SELECT count(*) AS n FROM queued');
    storage.commit();
    return Number(row?.n);
  }

  /** What has not come about; null when all has. @param isWhole whether its machines run, and are not being replaced */
  waitsFor(isWhole: boolean): string | null {
    if (this.answer === null) return 'an upgrade to be asked for';
    const state = this.state();
    if (state !== null && !hasEnded(state)) return `its upgrade, which is ${state.stage}`;
    return isWhole ? null : 'its machines to run';
  }

  ending(): string {
    const state = this.state();
    if (state === null) return `upgrade ${this.answer ?? 'not asked for'}`;
    return `upgrade ${state.stage}${state.failure === null ? '' : ` ${state.failure.code}`}`;
  }

  /** Whether it may fail, when nothing else goes wrong. */
  get isBound(): boolean {
    const { window, cancelAfterMs } = this.plan;
    return isGood(this.plan) && !isTooFar(this.plan) && window === null && cancelAfterMs === null;
  }

  /** POST /v1/gateways/{id}/upgrade. */
  async #ask(askedAt: number): Promise<void> {
    const { edge, site } = this.#world;
    const nobody = NOBODY(site);
    const { window } = this.plan;
    const published = this.#published();
    await edge.gateway.call(nobody, 'released', (logic) => logic.releasePublished(published));
    const startsAt = askedAt + (window?.startsMs ?? 0);
    await this.#catalogue.query(nobody, () => {
      this.#dueAt = Math.min(this.#dueAt ?? startsAt, startsAt);
    });
    const asked = {
      ...{ published, actor: 'admin' },
      window: window === null ? null : { startsAt, endsAt: startsAt + window.lengthMs },
    };
    const taken = await edge.gateway.call(nobody, 'upgrade', (logic) => logic.requestUpgrade(asked));
    if (!taken.ok && PASSES.has(taken.error.code)) return;
    // An answer that was lost may have been the one that took it.
    this.answer = taken.ok || this.state() !== null ? 'taken' : taken.error.code;
    site.trace.say('people', `ask for an upgrade: ${this.answer}`);
  }

  #published() {
    const { published } = this.releases;
    if (published === null) return this.releases.publish(this.plan);
    return { release: published.release, publishedAt: this.askedAt ?? 0 };
  }

  async #takeBack(): Promise<void> {
    const { edge, site } = this.#world;
    const cancelled = await edge.gateway.call(NOBODY(site), 'cancel', (logic) => logic.cancelUpgrade());
    this.#isTakenBack = cancelled.ok || cancelled.error.code === 'UPGRADE_NOT_SCHEDULED';
    site.trace.say('people', `take the upgrade back: ${cancelled.ok ? 'done' : cancelled.error.code}`);
  }

  #alone(work: () => Promise<void>): void {
    this.#isAsking = true;
    const over = () => {
      this.#isAsking = false;
    };
    work().then(over, over);
  }
}
