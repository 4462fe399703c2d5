// The one poll of a MAAS account, for all clusters on it (architecture ruling 13.8): events tell cheaply which machines to
// look at, a full pass each minute finds what events missed, and only what changed is pushed up.
import { fullJitter } from '../../shared/backoff.ts';
import type { Claim } from '../../shared/claim.ts';
import type { SystemId } from '../../shared/ids.ts';
import { MAAS_FULL_PASS_MS, MAAS_POLL_BUSY_MS, MAAS_POLL_REST_MS } from '../../shared/limits.ts';
import type { MaasFailure } from '../../shared/maas-failure.ts';
import type { MachineFacts, MachineStatus } from '../../shared/machine.ts';
import type { ClusterFact } from '../../shared/observation.ts';
import { ok, type Result } from '../../shared/result.ts';
import type { Log } from '../log.ts';
import { findByClaim, isOurs } from '../maas/claims.ts';
import type { MaasClient } from '../maas/client.ts';
import { eventsAfter, lastEventId } from '../maas/events.ts';
import { listMachines } from '../maas/machines.ts';
import { type Ports, sleep } from '../ports.ts';

export type Watch = {
  readonly machines: readonly { readonly claim: Claim; readonly systemId: SystemId }[];
  /** Also tell when the set of Ready machines changes. */
  readonly inventory: boolean;
  readonly emit: (fact: ClusterFact) => void;
};

export type AccountPoll = {
  /** Polls while anybody watches. The newest client is used: keys rotate. */
  readonly watch: (client: MaasClient, watch: Watch) => () => void;
  /** A command has touched the machine: it is looked at often for a while. */
  readonly touched: (systemId: SystemId) => void;
};

/** Longer than MAAS takes to show what a call has started. */
const HOT_MS = 30_000;
/** So many machines under way are looked at each time; of more, events and the full pass tell. */
const IN_FLIGHT_READ_MAX = 20;
/** The list of Ready machines is 18 KB for each. */
const READY_LIST_MS_MIN = 10_000;
/** Of 1,000 events each; a MAAS that is further ahead is caught up by the full pass. */
const EVENT_PAGES_MAX = 5;

/** Said with the abort: without a reason Node makes an error with a stack trace, each time. */
const WOKEN = 'woken';

const IN_FLIGHT: ReadonlySet<MachineStatus> = new Set<MachineStatus>([
  'allocated',
  'deploying',
  'releasing',
  'disk-erasing',
  'testing',
  'commissioning',
]);

/** @param period as NodeStatus.period: what was told in an earlier one may not have counted, so a watch tells all anew */
export function createAccountPoll(ports: Ports, log: Log, period: () => number = () => 0): AccountPoll {
  const poll = new Poll(ports, log, period);
  return { watch: (client, watch) => poll.watch(client, watch), touched: (systemId) => poll.touched(systemId) };
}

class Poll {
  readonly #ports: Ports;
  readonly #log: Log;
  readonly #period: () => number;
  readonly #watches = new Set<Watch>();
  readonly #seen = new Map<SystemId, MachineFacts | null>();
  readonly #told = new Map<Claim, string>();
  #toldIn = 0;
  /** The code each watch was told of MAAS; null: that it answers. */
  readonly #toldOfMaas = new WeakMap<Watch, string | null>();
  readonly #hot = new Map<SystemId, number>();
  #client: MaasClient | null = null;
  #eventId: number | null = null;
  #ready: { readonly ids: string; readonly atMs: number } | null = null;
  #passAtMs = Number.NEGATIVE_INFINITY;
  #fullAtMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #running = false;
  #wake = new AbortController();

  constructor(ports: Ports, log: Log, period: () => number) {
    this.#ports = ports;
    this.#log = log;
    this.#period = period;
  }

  watch(client: MaasClient, watch: Watch): () => void {
    // A new key or endpoint is tried at once, however long the old one has failed.
    if (this.#client !== client) this.#passAtMs = Number.NEGATIVE_INFINITY;
    this.#client = client;
    if (this.#toldIn !== this.#period()) this.#told.clear();
    this.#toldIn = this.#period();
    this.#watches.add(watch);
    if (this.#running) this.#wake.abort(WOKEN);
    else void this.#run();
    return () => {
      this.#watches.delete(watch);
      this.#forgetUnwatched();
      if (this.#watches.size === 0) this.#wake.abort(WOKEN);
    };
  }

  touched(systemId: SystemId): void {
    this.#hot.set(systemId, this.#nowMs() + HOT_MS);
    this.#tellAgain(systemId);
    // And once more a little later: the first fact may overtake the command's own answer on its way up.
    this.#ports.timers.after(MAAS_POLL_BUSY_MS, () => this.#tellAgain(systemId));
    this.#wake.abort(WOKEN);
  }

  /**
   * A command's own answer counts as news too, so what was told before it may be the truth again: a machine that refuses for
   * the second time looks as it did after the first.
   */
  #tellAgain(systemId: SystemId): void {
    for (const { machines } of this.#watches)
      for (const machine of machines) if (machine.systemId === systemId) this.#told.delete(machine.claim);
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#watches.size > 0) {
      const waitMs = this.#passAtMs + this.#delayMs() - this.#nowMs();
      if (waitMs > 0) {
        this.#wake = new AbortController();
        await sleep(this.#ports.timers, waitMs, this.#wake.signal);
        continue;
      }
      this.#passAtMs = this.#nowMs();
      const client = this.#client;
      if (client !== null) this.#judge(await this.#pass(client));
    }
    this.#running = false;
  }

  #delayMs(): number {
    if (this.#failures > 0)
      return MAAS_POLL_BUSY_MS + fullJitter(this.#failures, MAAS_POLL_BUSY_MS, MAAS_POLL_REST_MS, 0.5);
    if (this.#untold().length > 0) return 0;
    return this.#underWay().length > 0 ? MAAS_POLL_BUSY_MS : MAAS_POLL_REST_MS;
  }

  #judge(passed: Result<null, MaasFailure>): void {
    if (passed.ok) {
      if (this.#failures > 0) this.#log.info('maas-answers-again', { after: this.#failures });
      this.#failures = 0;
      return this.#tellOfMaas(null);
    }
    this.#failures += 1;
    // One lost answer proves nothing (C10).
    if (this.#failures > 1) this.#tellOfMaas(passed.error);
    if (this.#failures === 1)
      this.#log.warn('maas-does-not-answer', { code: passed.error.code, detail: passed.error.detail });
  }

  #tellOfMaas(failure: MaasFailure | null): void {
    const code = failure?.code ?? null;
    const seen = failure === null ? null : { code: failure.code, detail: failure.detail.slice(0, 500) };
    for (const watch of this.#watches) {
      if (this.#toldOfMaas.get(watch) === code) continue;
      this.#toldOfMaas.set(watch, code);
      watch.emit({ kind: 'maas', failure: seen });
    }
  }

  async #pass(client: MaasClient): Promise<Result<null, MaasFailure>> {
    const isFull = this.#nowMs() - this.#fullAtMs >= MAAS_FULL_PASS_MS;
    const events = await this.#changedByEvents(client);
    if (!events.ok) return events;
    const watched = this.#watched();
    const few = [...this.#untold(), ...this.#underWay().slice(0, IN_FLIGHT_READ_MAX)];
    const wanted = isFull ? watched : new Set([...few, ...[...events.value].filter((id) => watched.has(id))]);
    const looked = await this.#look(client, [...wanted]);
    if (!looked.ok) return looked;
    const isOther = [...events.value].some((id) => !watched.has(id));
    const listed = await this.#lookForReady(client, isFull || isOther);
    if (!listed.ok) return listed;
    if (isFull) this.#fullAtMs = this.#passAtMs;
    return ok(null);
  }

  async #changedByEvents(client: MaasClient): Promise<Result<Set<SystemId>, MaasFailure>> {
    const changed = new Set<SystemId>();
    if (this.#eventId === null) {
      const newest = await lastEventId(client);
      if (!newest.ok) return withoutEvents(newest.error, changed);
      this.#eventId = newest.value;
      return ok(changed);
    }
    for (let pages = 0; pages < EVENT_PAGES_MAX; pages += 1) {
      const page = await eventsAfter(client, this.#eventId);
      if (!page.ok) return withoutEvents(page.error, changed);
      for (const { systemId } of page.value.events) if (systemId !== null) changed.add(systemId);
      this.#eventId = page.value.lastId;
      if (!page.value.more) return ok(changed);
    }
    // Too far behind: begin at the newest, and look at everything.
    this.#eventId = null;
    this.#fullAtMs = Number.NEGATIVE_INFINITY;
    return ok(changed);
  }

  async #look(client: MaasClient, systemIds: readonly SystemId[]): Promise<Result<null, MaasFailure>> {
    if (systemIds.length === 0) return ok(null);
    const user = await client.user();
    if (!user.ok) return user;
    const listed = await listMachines(client, { systemIds });
    if (!listed.ok) return listed;
    const byId = new Map(listed.value.map((machine) => [machine.systemId, machine]));
    for (const systemId of systemIds) this.#seen.set(systemId, byId.get(systemId) ?? null);
    const looked = new Set(systemIds);
    for (const watch of [...this.#watches]) {
      for (const { claim, systemId } of watch.machines) {
        if (!looked.has(systemId)) continue;
        const said = await factOf(client, user.value.username, claim, systemId, byId.get(systemId) ?? null);
        if (!said.ok) return said;
        this.#tell(watch, claim, said.value);
      }
    }
    return ok(null);
  }

  #tell(watch: Watch, claim: Claim, fact: ClusterFact): void {
    const text = JSON.stringify(fact);
    // It may have ended while MAAS was asked.
    if (!this.#watches.has(watch) || this.#told.get(claim) === text) return;
    this.#told.set(claim, text);
    watch.emit(fact);
  }

  async #lookForReady(client: MaasClient, hasReason: boolean): Promise<Result<null, MaasFailure>> {
    const wanting = [...this.#watches].filter(({ inventory }) => inventory);
    const isRecent = this.#ready !== null && this.#nowMs() - this.#ready.atMs < READY_LIST_MS_MIN;
    if (wanting.length === 0 || isRecent || (!hasReason && this.#ready !== null)) return ok(null);
    const listed = await listMachines(client, { statuses: ['ready'] });
    if (!listed.ok) return listed;
    const ids = listed.value
      .map(({ systemId }) => systemId)
      .sort()
      .join(' ');
    const isChanged = this.#ready !== null && this.#ready.ids !== ids;
    this.#ready = { ids, atMs: this.#nowMs() };
    if (isChanged) for (const { emit } of wanting) emit({ kind: 'inventory-changed' });
    return ok(null);
  }

  #nowMs(): number {
    return this.#ports.clock.monotonicMs();
  }

  #watched(): Set<SystemId> {
    return new Set([...this.#watches].flatMap(({ machines }) => machines.map(({ systemId }) => systemId)));
  }

  #untold(): SystemId[] {
    const pairs = [...this.#watches].flatMap(({ machines }) => machines);
    return [...new Set(pairs.filter(({ claim }) => !this.#told.has(claim)).map(({ systemId }) => systemId))];
  }

  #underWay(): SystemId[] {
    const now = this.#nowMs();
    for (const [systemId, untilMs] of this.#hot) if (untilMs <= now) this.#hot.delete(systemId);
    return [...this.#watched()].filter((systemId) => {
      const status = this.#seen.get(systemId)?.status;
      return this.#hot.has(systemId) || (status !== undefined && IN_FLIGHT.has(status));
    });
  }

  /** Memory follows what is watched. Claims watched again by the next command keep theirs: it comes within the turn. */
  #forgetUnwatched(): void {
    this.#ports.timers.after(MAAS_POLL_BUSY_MS, () => {
      const watched = this.#watched();
      for (const systemId of this.#seen.keys()) if (!watched.has(systemId)) this.#seen.delete(systemId);
      const claims = new Set([...this.#watches].flatMap(({ machines }) => machines.map(({ claim }) => claim)));
      for (const claim of this.#told.keys()) if (!claims.has(claim)) this.#told.delete(claim);
    });
  }
}

/** A user who may not read events is served by the full pass alone. */
function withoutEvents(failure: MaasFailure, none: Set<SystemId>): Result<Set<SystemId>, MaasFailure> {
  return failure.code === 'MAAS_FORBIDDEN' ? ok(none) : { ok: false, error: failure };
}

async function factOf(
  client: MaasClient,
  user: string,
  claim: Claim,
  systemId: SystemId,
  machine: MachineFacts | null,
): Promise<Result<ClusterFact, MaasFailure>> {
  const say = (ours: boolean, facts: MachineFacts | null): Result<ClusterFact, MaasFailure> =>
    ok({ kind: 'machine', claim, systemId, ours, facts });
  // Somebody else's machine is nobody's business here.
  if (machine === null || (machine.owner !== null && machine.owner !== user)) return say(false, null);
  if (isOurs(machine, claim, user)) return say(true, machine);
  if (machine.owner === null || machine.claim !== null) return say(false, machine);
  // Ours without a mark: between allocate and annotate only agent_name tells.
  const found = await findByClaim(client, claim, { systemIds: [systemId] });
  return found.ok ? say(found.value.length > 0, machine) : found;
}
