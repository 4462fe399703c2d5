// A datacentre in memory: it carries out the planner's commands as a relay and a MAAS would, in virtual time, and checks the
// state after every step. A whole life of a cluster takes milliseconds.
import { expect } from 'vitest';
import { checkState } from '../../functions/plan/check-state.ts';
import type { ClusterEvent } from '../../functions/plan/cluster-event.ts';
import type { ClusterState } from '../../functions/plan/cluster-state.ts';
import { ClusterState as ClusterStateCodec } from '../../functions/plan/cluster-state.ts';
import { describeCluster, phaseOf } from '../../functions/plan/describe-cluster.ts';
import type { Effect, Plan } from '../../functions/plan/plan.ts';
import { step } from '../../functions/plan/step.ts';
import { Command } from '../../shared/command.ts';
import type { Waits } from '../../shared/limits.ts';
import type { MachineFacts } from '../../shared/machine.ts';
import { type ClusterFact, factSubject } from '../../shared/observation.ts';
import { TEST_WAITS } from '../support/builders.ts';
import { WorldGateway } from './world-gateway.ts';
import { WorldMaas } from './world-maas.ts';
import { WorldRelay } from './world-relay.ts';

type Accepted = Extract<ClusterEvent, { kind: 'spec-accepted' }>;
type Task = { at: number; order: number; run: () => void };

export class World {
  now = 1_000;
  readonly waits: Waits;
  readonly maas: WorldMaas;
  readonly relay: WorldRelay;
  /** Idle unless the cluster is a gateway's own machines. */
  readonly gateway: WorldGateway;
  state: ClusterState | null = null;
  plan: Plan = { effects: [], wakeAt: null, waitingOn: [] };
  /** Every command in the order it was sent, and every line of the timeline. */
  readonly sent: Command[] = [];
  readonly timeline: { readonly at: number; readonly message: string }[] = [];
  readonly phases: string[] = [];
  /** Called before each event is handed over; true swallows it. */
  intercept: (event: ClusterEvent) => boolean = () => false;
  #tasks: Task[] = [];
  #order = 0;
  readonly #told = new Map<string, string>();

  constructor(machines: readonly MachineFacts[], waits: Waits = TEST_WAITS, maas: WorldMaas = new WorldMaas(machines)) {
    this.waits = waits;
    this.maas = maas;
    this.relay = new WorldRelay(this);
    this.gateway = new WorldGateway(this);
  }

  create(accepted: Accepted): this {
    this.give({ ...accepted, at: this.now });
    if (accepted.cluster === 'gateway') this.gateway.begin();
    return this;
  }

  abort(): void {
    this.give({ kind: 'abort-requested', at: this.now, actor: 'tester' });
  }

  delete(): void {
    this.give({ kind: 'deletion-requested', at: this.now, actor: 'tester' });
  }

  /** A new session or watch starts with all facts. */
  forgetTold(): void {
    this.#told.clear();
  }

  later(delayMs: number, run: () => void): void {
    this.#tasks.push({ at: this.now + delayMs, order: this.#order++, run });
  }

  /** As the relay does: a fact that says nothing new since the watch began is not told again. */
  observe(fact: ClusterFact): void {
    if (!this.gateway.hasLeader) return;
    const told = JSON.stringify(fact);
    if (this.#told.get(factSubject(fact)) === told) return;
    if (fact.kind !== 'inventory-changed') this.#told.set(factSubject(fact), told);
    this.give({ kind: 'observed', at: this.now, fact });
  }

  /** Hands an event (or a plain wake-up) to the planner, twice over: the second plan may send nothing. */
  give(event: ClusterEvent | null): void {
    if (event !== null && this.intercept(event)) return;
    const turn = step(this.state, event, this.now, this.waits);
    if (turn.state === null) return;
    this.state = ClusterStateCodec.parse(JSON.parse(JSON.stringify(turn.state)));
    this.plan = turn.plan;
    expect(checkState(this.state, turn.plan, this.now)).toEqual([]);
    const again = step(this.state, null, this.now, this.waits);
    expect(again.plan.effects).toEqual([]);
    const phase = phaseOf(this.state);
    if (this.phases.at(-1) !== phase) this.phases.push(phase);
    for (const effect of turn.plan.effects) this.#carryOut(effect);
  }

  #carryOut(effect: Effect): void {
    if (effect.kind === 'send-command') {
      this.sent.push(Command.parse(effect.command));
      // Shut out before MAAS is asked, not only by the end of the same plan (GW4).
      if (effect.command.body.verb === 'ensure-released') {
        expect(this.gateway.of(effect.command.body.claim)).toBeNull();
      }
      this.relay.accept(effect.command);
    } else if (effect.kind === 'withdraw-commands') this.relay.withdraw(effect.commandIds);
    else if (effect.kind === 'revoke-relay') this.gateway.revoke(effect.claim);
    else if (effect.kind === 'record-timeline') {
      for (const { at, message } of effect.entries) this.timeline.push({ at, message });
    }
  }

  /** Runs until `done`, at most `limitMs` of virtual time. */
  run(done: () => boolean, limitMs = 24 * 3_600_000): this {
    const until = this.now + limitMs;
    for (let turns = 0; !done(); turns++) {
      const task = this.#next();
      const wakeAt = this.plan.wakeAt ?? Number.POSITIVE_INFINITY;
      const at = Math.min(task?.at ?? Number.POSITIVE_INFINITY, wakeAt);
      if (at > until || turns > 20_000) throw new Error(`not reached by ${this.now}: ${this.story()}`);
      this.now = Math.max(this.now, at);
      if (task !== undefined && task.at <= wakeAt) {
        this.#tasks = this.#tasks.filter((other) => other !== task);
        task.run();
      } else this.give(null);
    }
    return this;
  }

  runToPhase(phase: string, limitMs?: number): this {
    return this.run(() => this.phases.at(-1) === phase, limitMs);
  }

  /** Lets `ms` pass. */
  pass(ms: number): this {
    let passed = false;
    this.later(ms, () => {
      passed = true;
    });
    return this.run(() => passed, ms);
  }

  #next(): Task | undefined {
    return this.#tasks.reduce<Task | undefined>(
      (first, task) =>
        first === undefined || task.at < first.at || (task.at === first.at && task.order < first.order) ? task : first,
      undefined,
    );
  }

  get view() {
    if (this.state === null) throw new Error('no cluster');
    return describeCluster(this.state, this.now, this.waits);
  }

  get lines(): string[] {
    return this.timeline.map(({ message }) => message);
  }

  story(): string {
    const waiting = this.plan.waitingOn.map((wait) => `  ${wait.code}: ${wait.sentence}`);
    return [this.phases.join(' > '), ...this.lines.slice(-25), 'waiting on:', ...waiting].join('\n');
  }

  sentVerbs(verb: string): Command[] {
    return this.sent.filter((command) => command.body.verb === verb);
  }
}
