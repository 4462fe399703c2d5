// One process of the relay: the shipped program on seeded ports. It can be lost at any point, and held still while the world
// goes on (a stopped virtual machine), after which it believes that no time has passed but for its clocks.
import type { Log, LogFields } from '../../relay/log.ts';
import type { MaasRequest, MaasTransport } from '../../relay/maas/transport.ts';
import type { Ports } from '../../relay/ports.ts';
import { drainMicrotasks } from './microtasks.ts';
import { type Random, randomOf } from './prng.ts';
import type { Site } from './site.ts';
import type { Cancel } from './timeline.ts';

export class RelayProcess {
  readonly name: string;
  readonly bootId: string;
  readonly #site: Site;
  readonly #random: Random;
  readonly #startedAt: number;
  /** Milliseconds its wall clock is ahead. Its monotonic clock is never wrong. */
  skewMs = 0;
  isGone = false;
  #heldUntil = 0;
  /** What came while it was held, in order. */
  readonly #waiting: (() => void)[] = [];
  /** Processes on the same host that it has started. */
  readonly beside = new Set<RelayProcess>();
  /** Called once, when it is lost. */
  onGone: (why: string) => void = () => {};
  onLog: (event: string, fields: LogFields) => void = () => {};

  constructor(site: Site, seed: number, name: string, boot: number) {
    this.#site = site;
    this.name = name;
    this.bootId = `boot-${name}-${boot}`;
    this.#random = randomOf(seed, this.bootId);
    this.#startedAt = site.timeline.now;
  }

  hear(delayMs: number, work: () => void): Cancel {
    let cancelled = false;
    const run = (): void => {
      if (this.isGone || cancelled) return;
      if (this.isHeld || this.#waiting.length > 0) return void this.#waiting.push(run);
      work();
      drainMicrotasks();
    };
    const cancel = this.#site.timeline.after(delayMs, run);
    return () => {
      cancelled = true;
      cancel();
    };
  }

  /** A moment at which it may be lost. */
  point(label: string): void {
    if (this.isGone) return;
    this.#site.point(this.name, label, 'relay');
    if (this.#site.blowFor(this.name, label) !== null) this.lose(`at ${label}`);
  }

  lose(why: string): void {
    if (this.isGone) return;
    this.isGone = true;
    this.#site.trace.say(this.name, `is lost ${why}`);
    this.onGone(why);
  }

  /** With its host, and so with all that runs beside it. */
  hold(ms: number): void {
    for (const beside of this.beside) beside.hold(ms);
    this.#site.trace.say(this.name, `is held for ${ms} ms`);
    this.#heldUntil = Math.max(this.#heldUntil, this.#site.timeline.now + ms);
    this.#site.timeline.after(ms, () => {
      if (this.isHeld) return;
      for (const run of this.#waiting.splice(0)) run();
    });
  }

  get isHeld(): boolean {
    return this.#heldUntil > this.#site.timeline.now;
  }

  ports(): Ports {
    const { timeline, faults } = this.#site;
    return {
      clock: {
        now: () => Math.max(0, timeline.now + this.skewMs),
        monotonicMs: () => timeline.now - this.#startedAt,
      },
      random: { fraction: this.#random.fraction, bytes: this.#random.bytes },
      timers: { after: (delayMs, then) => this.hear(delayMs, then) },
      reach: (point) => {
        this.point(point);
        if (!this.isGone && faults.strikes('relay-lost-at-point')) this.lose(`at ${point}`);
      },
    };
  }

  /** What it sends to MAAS goes on without it. */
  transport(wire: (process: RelayProcess, request: MaasRequest) => ReturnType<MaasTransport>): MaasTransport {
    return (request) => wire(this, request);
  }

  log(fields: LogFields = {}): Log {
    const say = (event: string, more: LogFields = {}): void => {
      if (this.isGone) return;
      const all = { ...fields, ...more };
      this.onLog(event, all);
      this.#site.trace.say(this.name, `${event} ${textOf(all)}`);
    };
    return { debug: () => {}, info: say, warn: say, error: say, with: (more) => this.log({ ...fields, ...more }) };
  }
}

const textOf = (fields: LogFields): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ');
