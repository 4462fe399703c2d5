// Where one Durable Object lives: one instance at a time, turns whose writes and messages leave together or not at all (the
// output gate), one alarm, at-least-once. A turn is everything that follows from one event until the object waits for the next.
import type { Alarm } from '../../functions/objects/alarm.ts';
import { drainMicrotasks } from './microtasks.ts';
import { ObjectStorage } from './object-storage.ts';
import type { Site } from './site.ts';
import type { Cancel } from './timeline.ts';

/** What an object's logic must have for the platform to drive it. */
export type Hosted = { alarm(): Promise<void> };

/** Whoever may be answered: `hear` runs `work` as its own event, unless it is gone by then. */
export type Caller = {
  readonly name: string;
  hear(delayMs: number, work: () => void): Cancel;
  /** A request leaves when what led to it is safe. */
  out(effect: () => void): void;
};

type Pending = { readonly fail: (why: string) => void };

/** As functions/objects/*-object.ts give a call. */
const CALL_MS_MAX = 15_000;
/** Cloudflare tries a failed alarm again after 2 s. */
const ALARM_RETRY_MS = 2_000;

export class ObjectHost<L extends Hosted> {
  readonly name: string;
  readonly storage = new ObjectStorage();
  readonly #site: Site;
  readonly #make: (host: ObjectHost<L>) => L;
  #logic: L | null = null;
  #effects: (() => void)[] | null = null;
  #staged: { at: number | null } | null = null;
  #cancelAlarm = (): void => {};
  readonly #inbound = new Set<Pending>();
  /** Rises with each loss: what an instance that is gone still awaits, it will never hear. */
  life = 0;
  alarmAt: number | null = null;
  alarmRunning = false;
  /** After each commit, and after each loss. */
  onCommit = (): void => {};
  onLost = (): void => {};

  constructor(site: Site, name: string, make: (host: ObjectHost<L>) => L) {
    this.#site = site;
    this.name = name;
    this.#make = make;
  }

  /** Runs `work` on the object as one turn, to its end. */
  turn(label: string, work: (logic: L) => void): void {
    const { faults } = this.#site;
    this.#effects = [];
    this.#staged = null;
    this.#site.point(this.name, label);
    this.#logic ??= this.#make(this);
    work(this.#logic);
    drainMicrotasks();
    const effects = this.#effects;
    this.#effects = null;
    const blow = this.#site.blowFor(this.name, label);
    if (blow === 'before-commit' || faults.strikes('object-lost-before-commit')) {
      this.storage.rollback();
      this.onLost();
      return this.lose(`before the commit of ${label}`);
    }
    this.storage.commit();
    if (this.#staged !== null) this.#setAlarm(this.#staged);
    this.onCommit();
    if (blow === 'answer-lost' || faults.strikes('object-answer-lost')) return this.lose(`after ${label}, in silence`);
    for (const effect of effects) effect();
    if (blow === 'after-commit' || faults.strikes('object-lost-after-commit')) this.lose(`after ${label}`);
  }

  /** A message of the turn under way: leaves when its writes are safe. */
  out(effect: () => void): void {
    if (this.#effects === null) throw new Error(`${this.name} acts outside of a turn`);
    this.#effects.push(effect);
  }

  /** Another object, or the API, calls a method. Rejects when it is lost, late, or the object breaks on the way. */
  call<T>(caller: Caller, label: string, method: (logic: L) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      caller.out(() => this.#send(caller, label, method, resolve, reject));
    });
  }

  #send<T>(
    caller: Caller,
    label: string,
    method: (logic: L) => Promise<T>,
    resolve: (value: T) => void,
    reject: (error: Error) => void,
  ): void {
    const { faults, network } = this.#site;
    const late = (): Error => new Error(`${label} took longer than ${CALL_MS_MAX} ms`);
    const cancelLimit = caller.hear(CALL_MS_MAX, () => reject(late()));
    const end = (delayMs: number, settle: () => void): void => {
      caller.hear(delayMs, () => {
        cancelLimit();
        settle();
      });
    };
    const fail = (why: string, delayMs: number): void => end(delayMs, () => reject(new Error(why)));
    if (faults.strikes('rpc-lost')) return fail(`${label} was lost`, network.between(1, 50));
    const delayMs = faults.strikes('rpc-late') ? network.between(1_000, 20_000) : network.between(1, 8);
    this.#site.timeline.after(delayMs, () => this.#serve(label, method, { end, fail }, resolve, reject));
  }

  /** Runs `work` as a turn later, unless the instance of that life is gone by then. */
  hear(delayMs: number, label: string, work: () => void, life = this.life): Cancel {
    return this.#site.timeline.after(delayMs, () => {
      if (this.life === life && this.#logic !== null) this.turn(label, work);
    });
  }

  /** The instance of now: an answer is told to nobody else. */
  asCaller(label: string): Caller {
    const { life } = this;
    return {
      name: this.name,
      hear: (delayMs, work) => this.hear(delayMs, label, work, life),
      out: (effect) => this.out(effect),
    };
  }

  readonly alarm: Alarm = {
    set: (at) => {
      this.#staged = { at };
    },
    fired: () => {},
  };

  /** Memory goes, what is committed stays. @param why null: it only sleeps, its sockets stay */
  lose(why: string | null): void {
    if (this.#logic === null && why === null) return;
    this.#site.trace.say(this.name, why === null ? 'hibernates' : `is lost ${why}`);
    this.life += 1;
    this.#logic = null;
    if (this.alarmRunning && this.alarmAt === null) this.#setAlarm({ at: this.#site.timeline.now + ALARM_RETRY_MS });
    this.alarmRunning = false;
    for (const { fail } of this.#inbound) fail(`${this.name} was lost`);
    this.#inbound.clear();
    if (why !== null) this.onLost();
  }

  get isBusy(): boolean {
    return this.alarmRunning || this.#inbound.size > 0;
  }

  get isAwake(): boolean {
    return this.#logic !== null;
  }

  #serve<T>(
    label: string,
    method: (logic: L) => Promise<T>,
    answer: { end(delayMs: number, settle: () => void): void; fail(why: string, delayMs: number): void },
    resolve: (value: T) => void,
    reject: (error: Error) => void,
  ): void {
    const pending: Pending = { fail: (why) => answer.fail(why, this.#site.network.between(1, 8)) };
    this.#inbound.add(pending);
    const settled = (settle: () => void): void => {
      if (!this.#inbound.delete(pending)) return;
      this.out(() => {
        if (!this.#site.faults.strikes('rpc-answer-lost')) answer.end(this.#site.network.between(1, 8), settle);
      });
    };
    this.turn(label, (logic) => {
      method(logic).then(
        (value) => settled(() => resolve(value)),
        (error: unknown) => settled(() => reject(error instanceof Error ? error : new Error(String(error)))),
      );
    });
  }

  #setAlarm({ at }: { readonly at: number | null }): void {
    this.#cancelAlarm();
    this.alarmAt = at;
    if (at === null) return;
    const { timeline, faults, network } = this.#site;
    if (faults.strikes('alarm-exhausted')) {
      // Six tries are over: the platform forgets it. Only the sweep finds this object again.
      this.#site.exhausted.add(this.name);
      return;
    }
    this.#site.exhausted.delete(this.name);
    const late = faults.strikes('alarm-late') ? network.between(1_000, 120_000) : network.between(0, 20);
    this.#cancelAlarm = timeline.after(at - timeline.now + late, () => this.#fire());
    if (faults.strikes('alarm-twice'))
      timeline.after(at - timeline.now + late + network.between(1, 5_000), () => this.#ring());
  }

  #fire(): void {
    this.alarmAt = null;
    this.#ring();
  }

  #ring(): void {
    this.alarmRunning = true;
    const { life } = this;
    this.turn('alarm', (logic) => {
      // Over when its last turn is safe: the platform tries it again when the object is lost before.
      void logic.alarm().then(() => {
        if (this.life === life) this.out(() => (this.alarmRunning = false));
      });
    });
  }
}
