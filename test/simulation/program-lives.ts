// Whether a relay may give up a program that it had accepted: only when three starts of it in a row ended soon, whatever ended
// them (relay/README.md, Upgrade). Nothing else in a good program's life makes its relay fall back.
import type { LogFields } from '../../relay/log.ts';
import type { RelayNode } from './relay-node.ts';
import type { Site } from './site.ts';

type Named = Pick<RelayNode, 'name'>;
type Told = { readonly timeline: Pick<Site['timeline'], 'now'>; readonly violate: Site['violate'] };

/** Surely got on: well beyond the time in which it counts as started, with the longest that a process is held still. */
const GOT_ON_MS = 150_000;
const STARTS_MAX = 3;

type Life = {
  readonly startedAt: number;
  readonly lastHeardAt: number;
  /** Starts in a row that may have ended soon, this one among them. */
  readonly starts: number;
};

export class ProgramLives {
  readonly #site: Told;
  readonly #lives = new WeakMap<Named, Life>();
  readonly #fellBack = new WeakSet<Named>();

  constructor(site: Told) {
    this.#site = site;
  }

  /** What any process of the node logs. */
  hear(node: Named, event: string, { detail }: LogFields): void {
    const { now } = this.#site.timeline;
    const life = this.#lives.get(node);
    if (event === 'program-accepted') this.#accepts(node);
    else if (event === 'program-started')
      this.#lives.set(node, { startedAt: now, lastHeardAt: now, starts: startsIn(life) + 1 });
    else if (event === 'program-given-up' && String(detail).includes('in a row')) this.#fallsBack(node, startsIn(life));
    else if (life !== undefined) this.#lives.set(node, { ...life, lastHeardAt: now });
  }

  /** It had reason to, and has accepted no program since. */
  hasFallenBack(node: Named): boolean {
    return this.#fellBack.has(node);
  }

  #accepts(node: Named): void {
    const { now } = this.#site.timeline;
    this.#lives.set(node, { startedAt: now, lastHeardAt: now, starts: 1 });
    this.#fellBack.delete(node);
  }

  #fallsBack(node: Named, starts: number): void {
    if (starts < STARTS_MAX) this.#site.violate('U4', `${node.name} gives its program up after ${starts} short lives`);
    this.#fellBack.add(node);
  }
}

const startsIn = (life: Life | undefined): number =>
  life === undefined || life.lastHeardAt - life.startedAt >= GOT_ON_MS ? 0 : life.starts;
