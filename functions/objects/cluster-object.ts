// The Durable Object of a cluster: joins ClusterLogic to Cloudflare's storage, clock and bindings, and nothing else.
import { DurableObject } from 'cloudflare:workers';
import type { AccountAccess, CommandId, CommandOutcome } from '../../shared/command.ts';
import type { RelayOfMachine } from '../../shared/installation.ts';
import type { Observation } from '../../shared/observation.ts';
import type { MachinesRelease } from '../../shared/release.ts';
import { now } from '../clock.ts';
import { type Env, gatewayOf, waitsOf } from '../env.ts';
import { log } from '../log.ts';
import type { ClusterPreview } from '../plan/preview-cluster.ts';
import { openCatalogue } from '../store/catalogue.ts';
import { projectCluster } from '../store/clusters.ts';
import { workerdAlarm } from './alarm.ts';
import { ClusterLogic } from './cluster-logic.ts';
import { plannerBrain } from './planner-brain.ts';
import type { ClusterCreation, ClusterRpc } from './rpc.ts';
import { workerdSql } from './sql.ts';
import { within } from './within.ts';

/** The gateway stores and answers within milliseconds; beyond this it is gone and the outbox tries again. */
const GATEWAY_CALL_MS = 15_000;
/** D1's own limit for a query is 30 s. */
const CATALOGUE_CALL_MS = 20_000;

export class ClusterObject extends DurableObject<Env> implements ClusterRpc {
  readonly #logic: ClusterLogic;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#logic = new ClusterLogic({
      now,
      waits: waitsOf(env),
      sql: workerdSql(ctx.storage),
      alarm: workerdAlarm(ctx.storage),
      brain: plannerBrain,
      gateway: (scope, id, project) => ({
        enqueue: (commands) => within(GATEWAY_CALL_MS, 'enqueue', gatewayOf(env, scope, id).enqueue(commands, project)),
        link: (cluster, believed, queued) =>
          within(GATEWAY_CALL_MS, 'link', gatewayOf(env, scope, id).link(cluster, believed, queued)),
        leaveQueue: (cluster) => within(GATEWAY_CALL_MS, 'leaveQueue', gatewayOf(env, scope, id).leaveQueue(cluster)),
        withdraw: (ids) => within(GATEWAY_CALL_MS, 'withdraw', gatewayOf(env, scope, id).withdraw(ids)),
        revokeRelayOf: (claim) =>
          within(GATEWAY_CALL_MS, 'revokeRelayOf', gatewayOf(env, scope, id).revokeRelayOf(claim)),
      }),
      project: (scope, row, kind) =>
        within(CATALOGUE_CALL_MS, 'project', projectCluster(openCatalogue(env.CATALOGUE), scope, row, kind)),
      erase: () => ctx.storage.deleteAll(),
      background: (work) => ctx.waitUntil(work),
      log,
    });
  }

  override alarm(): Promise<void> {
    return this.#logic.alarm();
  }

  create(creation: ClusterCreation) {
    return this.#logic.create(creation);
  }

  view() {
    return this.#logic.view();
  }

  timeline(after: number, limit: number) {
    return this.#logic.timeline(after, limit);
  }

  access() {
    return this.#logic.access();
  }

  preview(asked: ClusterPreview) {
    return this.#logic.preview(asked);
  }

  requestDeletion(actor: string) {
    return this.#logic.requestDeletion(actor);
  }

  requestAbort(actor: string) {
    return this.#logic.requestAbort(actor);
  }

  accountChanged(account: AccountAccess) {
    return this.#logic.accountChanged(account);
  }

  report(
    settled: readonly { commandId: CommandId; outcome: CommandOutcome }[],
    observed: readonly Observation[],
    letter?: number,
  ): Promise<void> {
    return this.#logic.report(settled, observed, letter);
  }

  gatewayConnected(connected: boolean, ahead?: number | null) {
    return this.#logic.gatewayConnected(connected, ahead);
  }

  relaysChanged(relays: readonly RelayOfMachine[], notice?: number) {
    return this.#logic.relaysChanged(relays, notice);
  }

  resize(size: number) {
    return this.#logic.resize(size);
  }

  changeMachines(release: MachinesRelease) {
    return this.#logic.changeMachines(release);
  }

  leftovers() {
    return this.#logic.leftovers();
  }

  abandon() {
    return this.#logic.abandon();
  }

  poke() {
    return this.#logic.poke();
  }
}
