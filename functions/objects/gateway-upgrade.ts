// Carries out the upgrade of a gateway: what functions/plan/upgrade-step.ts decides becomes commands of the gateway's own, each for
// one node, or an order to the cluster that is its machines. Level-triggered: each look steps from what is stored and what is
// seen now, so nothing is lost by a restart.
import { doubling } from '../../shared/backoff.ts';
import type { ClusterView } from '../../shared/cluster-view.ts';
import { type Command, type CommandId, type CommandOutcome, commandIdOf } from '../../shared/command.ts';
import type { GatewayView } from '../../shared/gateway-view.ts';
import { type ClusterId, type EpochMs, RelayNodeId, type Scope } from '../../shared/ids.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { compareVersions, readManifest } from '../../shared/release.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { type LogRecord, messageOf } from '../log.ts';
import { availableUpgrade, isNews, oldestVersion, type Running, upgradeRefusal } from '../plan/upgrade-offer.ts';
import {
  ended,
  hasEnded,
  isUnderWay,
  type NodeFacts,
  newUpgrade,
  type UpgradeFacts,
  type UpgradeState,
} from '../plan/upgrade-state.ts';
import { refusedByMachines, settleExchange, stepUpgrade, type UpgradeAction } from '../plan/upgrade-step.ts';
import { describeUpgrade, upgradeLines } from '../plan/upgrade-view.ts';
import type { PublishedRelease } from '../store/releases.ts';
import type { CommandQueue } from './command-queue.ts';
import type { Delivery } from './delivery.ts';
import type { GatewayRecord, GatewayStorage } from './gateway-storage.ts';
import { inBackground } from './in-background.ts';
import type { ClusterRpc, UpgradeAsked } from './rpc.ts';
import { sendWithdraw } from './send-withdraw.ts';
import { SingleFlight } from './single-flight.ts';
import { activeSessions, isAlive, leadSession, readySessions, type Sockets } from './tunnel-session.ts';

const VERB = 'ensure-relay-program';
/** How often the machines are looked at, beside after each report of theirs. */
const LOOK_MS_MIN = 2_000;
const LOOK_MS_MAX = 60_000;

export type UpgradePorts = {
  now(): EpochMs;
  readonly storage: GatewayStorage;
  readonly sockets: Sockets;
  readonly queue: CommandQueue;
  ownCluster(scope: Scope, id: ClusterId): Pick<ClusterRpc, 'view' | 'changeMachines'>;
  /** These clusters stand in line no more: they are to be told. */
  admitted(clusters: readonly ClusterId[]): void;
  readonly delivery: Delivery;
  background(work: Promise<void>): void;
  arm(): void;
  log(record: LogRecord): void;
};

export class GatewayUpgrade {
  readonly #ports: UpgradePorts;
  readonly #looking: SingleFlight;
  #looks = 0;
  #lookAt: EpochMs = 0;

  constructor(ports: UpgradePorts) {
    this.#ports = ports;
    this.#looking = new SingleFlight(() => this.#look());
  }

  isUnderWay(): boolean {
    const state = this.#ports.storage.upgrades.state();
    return state !== null && isUnderWay(state);
  }

  /** @param machines as their cluster is seen now */
  view(
    machines: Pick<ClusterView, 'phase' | 'waitingOn'> | null,
  ): Pick<GatewayView, 'version' | 'availableUpgrade' | 'upgrade' | 'queuedClusters'> {
    const { storage, now } = this.#ports;
    const state = storage.upgrades.state();
    const running = this.#running();
    const newest = storage.upgrades.release()?.published ?? null;
    const manifest = newest === null ? null : readManifest(newest.release);
    return {
      version: oldestVersion(running.nodes),
      availableUpgrade:
        newest === null || manifest === null ? null : availableUpgrade(manifest, newest.publishedAt, running),
      upgrade: state === null ? null : describeUpgrade(state, this.#facts(machines), now()),
      queuedClusters: storage.line.count(),
    };
  }

  /** A release was published: kept when it is the newest. May be repeated. */
  told(published: PublishedRelease): void {
    const { upgrades } = this.#ports.storage;
    const [manifest, kept] = [readManifest(published.release), upgrades.release()];
    const known = kept === null ? null : readManifest(kept.published.release);
    if (manifest === null || (known !== null && compareVersions(manifest.version, known.version) <= 0)) return;
    upgrades.keepRelease(published);
  }

  request({ published, window, actor }: UpgradeAsked): Result<null, ApiFailure> {
    const { storage, now } = this.#ports;
    const last = storage.upgrades.state();
    const manifest = readManifest(published.release);
    if (manifest === null) return err(apiFailure('RELEASE_UNKNOWN'));
    const { version: to, machines } = manifest;
    const isSame = last !== null && last.to === to && !hasEnded(last);
    if (isSame && (isUnderWay(last) || JSON.stringify(last.window) === JSON.stringify(window))) return ok(null);
    const running = this.#running();
    const refused = upgradeRefusal(manifest, window, running, last, now());
    if (refused !== null) return err(refused);
    const from = oldestVersion(running.nodes) ?? '';
    const asked = { number: (last?.number ?? 0) + 1, release: published.release, from, to, machines, actor, window };
    this.#keep(null, newUpgrade(asked, now()), this.#facts(null));
    return ok(null);
  }

  cancel(): Result<null, ApiFailure> {
    const { storage, now } = this.#ports;
    const state = storage.upgrades.state();
    if (state?.stage === 'cancelled') return ok(null);
    if (state?.stage !== 'scheduled') return err(apiFailure('UPGRADE_NOT_SCHEDULED'));
    this.#keep(state, ended(state, 'cancelled', now()), this.#facts(null));
    return ok(null);
  }

  /** The gateway is being deleted: whatever is asked of it otherwise is over. */
  end(): void {
    const { storage, now } = this.#ports;
    const state = storage.upgrades.state();
    if (state === null || hasEnded(state)) return;
    const failure = { code: 'GATEWAY_DELETING', message: 'The gateway is being deleted.' };
    const over = isUnderWay(state) ? ended(state, 'failed', now(), failure) : ended(state, 'cancelled', now());
    this.#keep(state, over, this.#facts(null));
  }

  /** Takes the outcome of one of its commands; false for every other command. A node speaks for itself only. */
  settle(id: CommandId, outcome: CommandOutcome, reporter: RelayNodeId): boolean {
    const { storage, now } = this.#ports;
    const [owner, subject, verb, number, attempt] = id.split('/');
    if (verb !== VERB || owner !== storage.gateway()?.gatewayId) return false;
    const state = storage.upgrades.state();
    const node = RelayNodeId.safeParse(subject);
    if (state === null || state.number !== Number(number) || !node.success || node.data !== reporter) return true;
    const hostname = storage.node(reporter)?.hostname ?? reporter;
    const from = { nodeId: reporter, hostname, attempt: Number(attempt) };
    this.#keep(state, settleExchange(state, from, outcome, now()), this.#facts(null));
    return true;
  }

  /** The cluster of its machines has stored a report: they may be further. */
  reported(id: ClusterId): void {
    const { storage } = this.#ports;
    if (storage.upgrades.state()?.stage !== 'machines' || storage.own.read().cluster?.id !== id) return;
    this.#looks = 0;
    this.#lookAt = 0;
  }

  /** After anything that may have changed what is seen: steps, and has carried out what follows. */
  check(): void {
    const { storage, now, background } = this.#ports;
    this.#announce();
    const before = storage.upgrades.state();
    if (before !== null && !hasEnded(before)) {
      const facts = this.#facts(null);
      const { state, action } = stepUpgrade(before, facts, now());
      this.#keep(before, state, facts);
      if (action?.kind === 'exchange') this.#exchange(state, action);
      if (state.stage === 'machines' && this.#lookAt <= now()) background(this.#looking.run());
    }
    if (!this.isUnderWay()) this.#admit();
  }

  nextAt(): EpochMs | null {
    const { storage, now } = this.#ports;
    const state = storage.upgrades.state();
    if (state === null || hasEnded(state)) return null;
    const { wakeAt } = stepUpgrade(state, this.#facts(null), now());
    if (state.stage !== 'machines') return wakeAt;
    return Math.min(wakeAt ?? this.#lookAt, this.#lookAt);
  }

  /** Tells of a release once for each version (UP8). */
  #announce(): void {
    const { storage, now } = this.#ports;
    const kept = storage.upgrades.release();
    const manifest = kept === null ? null : readManifest(kept.published.release);
    if (kept === null || manifest === null || kept.announced === manifest.version) return;
    const running = this.#running();
    if (!isNews(manifest, running)) return;
    const { version, severity, changes } = manifest;
    const message = `Release ${version} is available (severity ${severity}): ${changes.join(' ')}`;
    storage.timeline.add([{ kind: 'release', message }], now());
    storage.upgrades.announced(version);
  }

  #keep(before: UpgradeState | null, state: UpgradeState, facts: UpgradeFacts): void {
    const { storage, queue, sockets, now, log } = this.#ports;
    if (before === state) return;
    storage.upgrades.keep(state);
    storage.timeline.add(upgradeLines(before, state, facts), now());
    if (before?.stage !== state.stage)
      log({ event: 'gateway-upgrade', to: state.to, stage: state.stage, code: state.failure?.code });
    const over = before?.turn ?? null;
    if (over === null || over.nodeId === state.turn?.nodeId) return;
    const ids = queue.idsAbout(over.nodeId).filter((id) => id.split('/')[2] === VERB);
    queue.withdraw(ids, now());
    sendWithdraw(sockets, ids);
  }

  #exchange({ release, number }: UpgradeState, action: Extract<UpgradeAction, { kind: 'exchange' }>): void {
    const { storage, queue, now, delivery, log } = this.#ports;
    const gateway = storage.gateway();
    const { nodeId, attempt, deadlineAt } = action;
    if (gateway === null) return;
    const { scope, gatewayId } = gateway;
    const commandId = commandIdOf(gatewayId, nodeId, VERB, number, attempt);
    if (queue.has(commandId)) return;
    const command: Command = {
      ...{ commandId, scope, gatewayId, clusterId: null, subject: nodeId, generation: number, attempt, deadlineAt },
      body: { verb: VERB, release },
    };
    const added = queue.add([command], now(), nodeId);
    if (!added.ok) return log({ event: 'gateway-upgrade-waits', node: nodeId, code: added.error.code });
    inBackground(this.#ports, 'delivery-failed', delivery);
  }

  /** The machines' own cluster is asked to change them, once it has taken that it is looked at. Never rejects. */
  async #look(): Promise<void> {
    const { storage, now, log, arm } = this.#ports;
    const gateway = storage.gateway();
    const state = storage.upgrades.state();
    if (gateway === null || state?.stage !== 'machines') return;
    this.#lookAt = now() + doubling(this.#looks, LOOK_MS_MIN, LOOK_MS_MAX);
    this.#looks += 1;
    try {
      const { seen, asked } = await this.#machines(gateway, state);
      const since = storage.upgrades.state();
      if (since?.stage === 'machines' && since.number === state.number && asked !== null) {
        const facts = this.#facts(seen);
        const machinesAskedAt = since.machinesAskedAt ?? (asked.ok ? now() : null);
        const { state: stepped } = stepUpgrade({ ...since, machinesAskedAt }, facts, now());
        const isRefused = !asked.ok && stepped.stage === 'machines';
        const next = isRefused ? refusedByMachines(stepped, asked.error, now()) : stepped;
        this.#keep(since, next, facts);
        if (next.stage === 'done' && next.machines !== null) storage.own.runs(next.machines);
      }
    } catch (error) {
      log({ event: 'gateway-upgrade-waits', cause: messageOf(error) });
    }
    arm();
  }

  /** How their cluster is now, and whether it has taken the order; null: there is none. */
  async #machines(
    { scope }: GatewayRecord,
    state: UpgradeState,
  ): Promise<{ seen: ClusterView | null; asked: Result<unknown, ApiFailure> | null }> {
    const { storage, ownCluster, log } = this.#ports;
    const { cluster } = storage.own.read();
    if (cluster === null || state.machines === null) return { seen: null, asked: null };
    const object = ownCluster(scope, cluster.id);
    if (state.machinesAskedAt !== null) return { seen: await object.view(), asked: ok(null) };
    const asked = await object.changeMachines(state.machines);
    if (asked.ok) return { seen: asked.value, asked };
    log({ event: 'gateway-upgrade-waits', code: asked.error.code });
    return { seen: await object.view(), asked };
  }

  #admit(): void {
    const { storage, now, admitted } = this.#ports;
    if (storage.line.count() === 0) return;
    const clusters = storage.line.admitAll();
    const who =
      clusters.length === 1 ? '1 cluster that waited begins' : `${clusters.length} clusters that waited begin`;
    const message = `${who}, first in, first out.`;
    storage.timeline.add([{ kind: 'queue', message }], now());
    admitted(clusters);
  }

  #facts(machines: UpgradeFacts['machines']): UpgradeFacts {
    return { nodes: this.#nodes(), hasMachines: this.#ports.storage.own.read().cluster !== null, machines };
  }

  #running(): Running {
    const { cluster, release } = this.#ports.storage.own.read();
    return { nodes: this.#nodes(), machines: cluster === null ? null : (release ?? 'unknown') };
  }

  #nodes(): NodeFacts[] {
    const { storage, sockets, now } = this.#ports;
    const alive = readySessions(sockets).filter((session) => isAlive(session, now()));
    const lead = leadSession(activeSessions(sockets), now());
    return storage.nodes().map(({ nodeId, hostname, relayVersion }) => ({
      ...{ nodeId, hostname, version: relayVersion },
      connected: alive.some(({ state }) => state.nodeId === nodeId),
      leader: lead?.state.nodeId === nodeId,
    }));
  }
}
