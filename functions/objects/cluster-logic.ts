// What the object of one cluster does, over ports, so that it runs in workerd and in a simulator alike. Facts come in, `step`
// decides, one transaction keeps state, outbox and timeline, and the outbox is drained. It has no opinion of its own.

import type { ClusterPlan } from '../../shared/cluster-plan.ts';
import type { ClusterKind } from '../../shared/cluster-spec.ts';
import type { ClusterView, TimelineEntry } from '../../shared/cluster-view.ts';
import type { AccountAccess, ClusterAccess, CommandId, CommandOutcome } from '../../shared/command.ts';
import type { OrphanedGateway } from '../../shared/gateway-view.ts';
import type { EpochMs, GatewayId, ProjectId, Scope } from '../../shared/ids.ts';
import type { RelayOfMachine } from '../../shared/installation.ts';
import { API_PAGE_SIZE_MAX, DELETED_CLUSTER_KEPT_MS, type Waits } from '../../shared/limits.ts';
import type { Observation } from '../../shared/observation.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import type { MachinesRelease } from '../../shared/release.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { type LogRecord, messageOf } from '../log.ts';
import type { ClusterEvent } from '../plan/cluster-event.ts';
import type { ClusterState } from '../plan/cluster-state.ts';
import type { Plan } from '../plan/plan.ts';
import type { ClusterPreview } from '../plan/preview-cluster.ts';
import type { Alarm } from './alarm.ts';
import type { ClusterBrain, RequestEvent } from './cluster-brain.ts';
import { type ClusterStorage, clusterStorage, LANES } from './cluster-storage.ts';
import { leftoversOf } from './leftovers.ts';
import { nextAlarm } from './next-alarm.ts';
import type { ClusterCreation, ClusterRpc, GatewayRpc } from './rpc.ts';
import { type CatalogueRow, drainLane } from './run-effects.ts';
import { SingleFlight } from './single-flight.ts';
import type { Sql } from './sql.ts';

/** The outbox is drained directly after the commit; if the object is lost in between, the alarm does it this much later. */
const DRAIN_GRACE_MS = 5_000;

export type ClusterPorts = {
  now(): EpochMs;
  readonly waits: Waits;
  readonly sql: Sql;
  readonly alarm: Alarm;
  readonly brain: ClusterBrain;
  /** @param project of the cluster */
  gateway(
    scope: Scope,
    id: GatewayId,
    project: ProjectId,
  ): Pick<GatewayRpc, 'enqueue' | 'withdraw' | 'link' | 'revokeRelayOf' | 'leaveQueue'>;
  /** Writes the cluster's row of the catalogue. May be repeated. */
  project(scope: Scope, row: CatalogueRow, kind: ClusterKind): Promise<void>;
  /** 72 h after deletion, or given up: nothing of the cluster is kept. */
  erase(): Promise<void>;
  /** Lets work go on after the answer is given. */
  background(work: Promise<void>): void;
  log(record: LogRecord): void;
};

export class ClusterLogic implements ClusterRpc {
  readonly #ports: ClusterPorts;
  readonly #storage: ClusterStorage;
  /** Undefined: not read yet. */
  #state: ClusterState | null | undefined;
  #stateText: string | null = null;
  #failures = 0;
  /** A lane is drained by one at a time, so its order holds. */
  readonly #drain: SingleFlight;

  constructor(ports: ClusterPorts) {
    this.#ports = ports;
    this.#drain = new SingleFlight(() => this.#drainLanes());
    this.#storage = clusterStorage(ports.sql);
    this.#storage.upgrade();
  }

  async create(creation: ClusterCreation): Promise<ClusterView> {
    this.#storage.open();
    const { cluster = 'workload' } = creation;
    const state = this.#advance([{ kind: 'spec-accepted', at: this.#ports.now(), ...creation, cluster }]);
    if (state === null) throw new Error('a created cluster has no state');
    return this.#describe(state);
  }

  async view(): Promise<ClusterView | null> {
    const state = this.#read();
    return state === null ? null : this.#describe(state);
  }

  async timeline(after: number, limit: number): Promise<TimelineEntry[]> {
    return this.#storage.exists() ? this.#storage.timeline(after, Math.min(limit, API_PAGE_SIZE_MAX)) : [];
  }

  async access(): Promise<ClusterAccess | null> {
    const state = this.#read();
    return state === null ? null : this.#ports.brain.access(state);
  }

  async preview(asked: ClusterPreview): Promise<Result<ClusterPlan, ApiFailure>> {
    return this.#ports.brain.preview(this.#read(), asked, this.#ports.now());
  }

  async requestDeletion(actor: string): Promise<Result<ClusterView, ApiFailure>> {
    return this.#request({ kind: 'deletion-requested', at: this.#ports.now(), actor });
  }

  async requestAbort(actor: string): Promise<Result<ClusterView, ApiFailure>> {
    return this.#request({ kind: 'abort-requested', at: this.#ports.now(), actor });
  }

  async accountChanged(account: AccountAccess): Promise<void> {
    this.#advance([{ kind: 'account-changed', at: this.#ports.now(), account }]);
  }

  async report(
    settled: readonly { commandId: CommandId; outcome: CommandOutcome }[],
    observed: readonly Observation[],
    letter?: number,
  ): Promise<void> {
    const at = this.#ports.now();
    // The edge's clock, not the relay's: clocks differ, and deadlines are the edge's.
    this.#advance([
      ...settled.map(({ commandId, outcome }): ClusterEvent => ({ kind: 'command-settled', at, commandId, outcome })),
      ...observed.map(({ fact }): ClusterEvent => ({ kind: 'observed', at, fact, letter })),
    ]);
  }

  async gatewayConnected(connected: boolean, ahead: number | null = null): Promise<void> {
    this.#advance([{ kind: 'gateway-connected', at: this.#ports.now(), connected, ahead }]);
  }

  async relaysChanged(relays: readonly RelayOfMachine[], notice: number | null = null): Promise<boolean> {
    const state = this.#advance([{ kind: 'relays-changed', at: this.#ports.now(), relays: [...relays], notice }]);
    return state !== null;
  }

  async resize(size: number): Promise<Result<ClusterView, ApiFailure>> {
    return this.#request({ kind: 'resized', at: this.#ports.now(), size });
  }

  async changeMachines(release: MachinesRelease): Promise<Result<ClusterView, ApiFailure>> {
    return this.#request({ kind: 'machines-changed', at: this.#ports.now(), release });
  }

  async leftovers(): Promise<OrphanedGateway> {
    return leftoversOf(this.#read());
  }

  async abandon(): Promise<void> {
    const state = this.#read();
    if (state === null || state.deletedAt !== null) return;
    this.#ports.log({ event: 'cluster-abandoned', cluster: state.clusterId });
    await this.#erase();
    this.#ports.alarm.set(null);
  }

  async poke(): Promise<void> {
    if (await this.#isSure()) this.#advance([]);
    else this.#armWhatever();
  }

  /** Never throws (an alarm that throws is lost after six tries), and always leaves the next alarm behind. */
  async alarm(): Promise<void> {
    this.#ports.alarm.fired();
    try {
      if (this.#mayBeErased()) return await this.#erase();
      if (await this.#isSure()) {
        this.#advance([]);
        this.#failures = 0;
      }
      await this.#drain.run();
    } catch (error) {
      this.#failures += 1;
      this.#ports.log({ event: 'cluster-alarm-failed', failures: this.#failures, cause: messageOf(error) });
    } finally {
      this.#armWhatever();
    }
  }

  /**
   * T10, [WA2]: time alone decides nothing while nobody can see what happened. False when the gateway says otherwise than what
   * this cluster believes, of which it is told in a moment, and when the gateway does not answer.
   */
  async #isSure(): Promise<boolean> {
    const state = this.#read();
    const believed = state?.gateway?.connected;
    if (state == null || believed === undefined || state.deletedAt !== null) return true;
    try {
      const connected = await this.#gatewayOf(state).link(state.clusterId, believed, state.queued !== null);
      return connected === this.#read()?.gateway?.connected;
    } catch (error) {
      this.#failures += 1;
      this.#ports.log({ event: 'gateway-unanswered', cluster: state.clusterId, cause: messageOf(error) });
      return false;
    }
  }

  /** Folds the events in, plans once, commits, and starts to carry out. Throws when the planner does: then nothing is kept. */
  #advance(events: readonly ClusterEvent[]): ClusterState | null {
    const { brain, waits } = this.#ports;
    const now = this.#ports.now();
    const before = this.#read();
    if (before === null && events[0]?.kind !== 'spec-accepted') return null;
    const { state, plan } = brain.step(before, events, now, waits);
    if (state === null) return null;
    this.#reportBroken(state, plan, now);
    const text = JSON.stringify(state);
    this.#storage.commit(text === this.#stateText ? null : text, plan.wakeAt, plan.effects);
    this.#state = state;
    this.#stateText = text;
    this.#arm();
    this.#drainInBackground();
    return state;
  }

  async #request(event: RequestEvent): Promise<Result<ClusterView, ApiFailure>> {
    const before = this.#read();
    if (before === null) return err(apiFailure('NOT_FOUND'));
    const refused = this.#ports.brain.refuses(before, event);
    if (refused !== null) return err(refused);
    return ok(this.#describe(this.#advance([event]) ?? before));
  }

  #read(): ClusterState | null {
    if (this.#state !== undefined) return this.#state;
    const text = this.#storage.exists() ? this.#storage.readState() : null;
    this.#state = text === null ? null : this.#ports.brain.decode(JSON.parse(text));
    this.#stateText = text;
    return this.#state;
  }

  #describe(state: ClusterState): ClusterView {
    return this.#ports.brain.describe(state, this.#ports.now(), this.#ports.waits);
  }

  #drainInBackground(): void {
    const { background, log } = this.#ports;
    background(this.#drain.run().catch((error) => log({ event: 'outbox-drain-failed', cause: messageOf(error) })));
  }

  #gatewayOf({ scope, gatewayScope, gatewayId }: ClusterState): ReturnType<ClusterPorts['gateway']> {
    return this.#ports.gateway(gatewayScope ?? scope, gatewayId, scope.projectId);
  }

  async #drainLanes(): Promise<void> {
    const state = this.#read();
    if (state === null) return;
    const gateway = () => this.#gatewayOf(state);
    const project = (row: CatalogueRow) => this.#ports.project(state.scope, row, state.kind);
    const ports = { ...this.#ports, clusterId: state.clusterId, gateway, project };
    try {
      await Promise.all(LANES.map((lane) => drainLane(this.#storage, lane, ports)));
    } finally {
      this.#armWhatever();
    }
  }

  #arm(): void {
    const now = this.#ports.now();
    const waiting = this.#storage.exists() ? this.#storage.wakeAt() : null;
    const lanes = LANES.map((lane) => (this.#storage.exists() ? this.#storage.lane(lane) : null));
    const drainAt = lanes.map((lane) => {
      if (lane === null) return null;
      return lane.retryAt > now ? lane.retryAt : now + DRAIN_GRACE_MS;
    });
    this.#ports.alarm.set(nextAlarm(now, [waiting, ...drainAt, this.#eraseAt()], this.#failures));
  }

  /** As #arm, even when the storage can't be read: an object without an alarm would never be heard of again. */
  #armWhatever(): void {
    try {
      this.#arm();
    } catch (error) {
      this.#ports.log({ event: 'cluster-arm-failed', cause: messageOf(error) });
      this.#ports.alarm.set(nextAlarm(this.#ports.now(), [], this.#failures + 1));
    }
  }

  #eraseAt(): EpochMs | null {
    const deletedAt = this.#state?.deletedAt ?? null;
    return deletedAt === null ? null : deletedAt + DELETED_CLUSTER_KEPT_MS;
  }

  #mayBeErased(): boolean {
    this.#read();
    const eraseAt = this.#eraseAt();
    // What is still to be told must be told first.
    return eraseAt !== null && eraseAt <= this.#ports.now() && LANES.every((lane) => this.#storage.lane(lane) === null);
  }

  async #erase(): Promise<void> {
    await this.#ports.erase();
    this.#storage.erased();
    this.#state = null;
    this.#stateText = null;
  }

  /** Invariants are checked in production too, and only said: a planner that is stopped helps nobody. */
  #reportBroken(state: ClusterState, plan: Plan, now: EpochMs): void {
    for (const broken of this.#ports.brain.check(state, plan, now)) {
      this.#ports.log({ event: 'invariant-broken', cluster: state.clusterId, broken });
    }
  }
}
