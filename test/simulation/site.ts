// What every part of a simulated world shares: time, faults, the trace, and the counter of points at which something may be
// lost. A part knows this and its neighbours, never the whole world.
import type { Faults } from './faults.ts';
import type { Random } from './prng.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

/** What befalls the actor of one point in an enumeration of crash points. */
export type Blow = 'before-commit' | 'after-commit' | 'answer-lost' | 'relay-lost';
export type CrashPlan = { readonly point: number; readonly blow: Blow };
export type CrashPoint = { readonly actor: string; readonly label: string; readonly kind: 'object' | 'relay' };

export class Site {
  readonly timeline: Timeline;
  readonly faults: Faults;
  readonly trace: Trace;
  /** Latencies of everything. */
  readonly network: Random;
  /** Objects whose alarm the platform gave up. */
  readonly exhausted = new Set<string>();
  readonly #plan: readonly CrashPlan[];
  readonly #record: boolean;
  readonly points: CrashPoint[] = [];
  #point = -1;
  /** Broken rules, in the order found. */
  readonly violations: string[] = [];

  constructor(
    parts: { timeline: Timeline; faults: Faults; trace: Trace; network: Random },
    plan: readonly CrashPlan[],
    record: boolean,
  ) {
    this.timeline = parts.timeline;
    this.faults = parts.faults;
    this.trace = parts.trace;
    this.network = parts.network;
    this.#plan = plan;
    this.#record = record;
  }

  /** Something is lost at a planned moment of this life. */
  get hasPlan(): boolean {
    return this.#plan.length > 0;
  }

  /** One more moment at which `actor` could be lost. */
  point(actor: string, label: string, kind: CrashPoint['kind'] = 'object'): void {
    if (!this.faults.isArmed) return;
    this.#point += 1;
    if (this.#record) this.points.push({ actor, label, kind });
  }

  /** The blow planned for the point just passed. */
  blowFor(actor: string, label: string): Blow | null {
    if (this.#plan.length === 0 || !this.faults.isArmed) return null;
    const planned = this.#plan.find(({ point }) => point === this.#point);
    if (planned === undefined) return null;
    this.trace.say(actor, `planned blow ${planned.blow} at point ${planned.point} (${label})`);
    return planned.blow;
  }

  violate(rule: string, what: string): void {
    const text = `${rule}: ${what}`;
    this.trace.say('VIOLATION', text);
    if (this.violations.length < 20) this.violations.push(text);
  }
}
