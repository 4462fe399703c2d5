// What the object of one gateway does, over ports, so that it runs in workerd and in a simulator alike. It keeps commands until
// they are settled, gives them to the relay that leads, and carries back what the relay says. It has no opinion of its own.
import type { Claim } from '../../shared/claim.ts';
import type { TimelineEntry } from '../../shared/cluster-view.ts';
import type { Command, CommandId, CommandOutcome } from '../../shared/command.ts';
import type { GatewayView, OrphanedGateway } from '../../shared/gateway-view.ts';
import type { ClusterId, EpochMs, ProjectId, RelayNodeId } from '../../shared/ids.ts';
import { API_PAGE_SIZE_MAX } from '../../shared/limits.ts';
import type { PairingChallenge, PairingRequest, PairingResponse } from '../../shared/pairing.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { CLOSE } from '../../shared/tunnel-frame.ts';
import { messageOf } from '../log.ts';
import type { PublishedRelease } from '../store/releases.ts';
import { type Asks, pendingAsks } from './asks.ts';
import { ClusterIntake } from './cluster-intake.ts';
import { type ClusterNotices, clusterNotices } from './cluster-notices.ts';
import { type CommandQueue, commandQueue } from './command-queue.ts';
import { Delivery } from './delivery.ts';
import { describeGateway, withFingerprints } from './describe-gateway.ts';
import { type DiagnosticsPorts, diagnoseNodes } from './diagnostics.ts';
import { GatewayNodes } from './gateway-nodes.ts';
import { pairingChallenge } from './gateway-pairing.ts';
import type { GatewayPorts } from './gateway-ports.ts';
import { type GatewayRecord, type GatewayStorage, gatewayStorage } from './gateway-storage.ts';
import { GatewayUpgrade } from './gateway-upgrade.ts';
import { inBackground } from './in-background.ts';
import { KeyExchange } from './key-exchange.ts';
import { leadWatch } from './lead-watch.ts';
import { nextAlarm } from './next-alarm.ts';
import { noticeTeller } from './notice-teller.ts';
import { OwnMachines } from './own-machines.ts';
import { ReportInbox } from './report-inbox.ts';
import type { ClusterRpc, GatewayCreation, GatewayRpc, UpgradeAsked } from './rpc.ts';
import type { SingleFlight } from './single-flight.ts';
import { Standings } from './standings.ts';
import { TunnelLogic } from './tunnel-logic.ts';
import { isConnected, readySessions, type TunnelSocket } from './tunnel-session.ts';

export class GatewayLogic implements GatewayRpc {
  readonly #ports: GatewayPorts;
  readonly #storage: GatewayStorage;
  readonly #diagnosing: DiagnosticsPorts;
  readonly #queue: CommandQueue;
  readonly #notices: ClusterNotices;
  readonly #asks: Asks;
  readonly #delivery: Delivery;
  readonly #telling: SingleFlight;
  readonly #keys: KeyExchange;
  readonly #standings: Standings;
  readonly #leadWatch: ReturnType<typeof leadWatch>;
  readonly #machines: OwnMachines;
  readonly #upgrade: GatewayUpgrade;
  readonly #intake: ClusterIntake;
  readonly #nodes: GatewayNodes;
  readonly tunnel: TunnelLogic;
  #failures = 0;

  constructor(ports: GatewayPorts) {
    this.#ports = ports;
    this.#storage = gatewayStorage(ports.sql);
    this.#storage.upgrade();
    this.#queue = commandQueue(ports.sql);
    this.#notices = clusterNotices(ports.sql);
    this.#asks = pendingAsks((ms, call) => ports.after(ms, call));
    const parts = { ...ports, storage: this.#storage, queue: this.#queue, asks: this.#asks, arm: () => this.#arm() };
    this.#diagnosing = { ...parts, deliver: () => this.#deliverAndTell() };
    this.#keys = new KeyExchange(parts);
    this.#standings = new Standings(parts);
    this.#leadWatch = leadWatch(parts);
    this.#delivery = new Delivery({ ...parts, gatewayId: () => this.#storage.gateway()?.gatewayId ?? null });
    this.#machines = new OwnMachines({ ...parts, revoke: (id) => this.#nodes.end(id), forget: () => this.remove() });
    const inbox = new ReportInbox({ ...parts, report: (id, ...letter) => this.#report(id, ...letter) });
    this.#telling = noticeTeller({ ...parts, notices: this.#notices, clusterOf: (id) => this.#cluster(id) });
    this.#upgrade = new GatewayUpgrade({ ...parts, delivery: this.#delivery, admitted: (ids) => this.#tell(ids) });
    const calls = { isConnected: () => this.#isConnected(), deliverAndTell: () => this.#deliverAndTell() };
    const isUpgrading = () => this.#upgrade.isUnderWay();
    this.#intake = new ClusterIntake({ ...parts, ...calls, notices: this.#notices, isUpgrading });
    const own = { keys: this.#keys, standings: this.#standings, delivery: this.#delivery, ownMachines: this.#machines };
    this.#nodes = new GatewayNodes({ ...parts, ...calls, ...own, revoke: (id) => this.tunnel.revoke(id) });
    const connectedChanged = (connected: boolean) => this.#connectedChanged(connected);
    const more = { upgrade: this.#upgrade, mayLead: this.#machines.outside.mayLead };
    this.tunnel = new TunnelLogic({ ...parts, ...own, ...more, inbox, connectedChanged });
  }

  async create(creation: GatewayCreation): Promise<GatewayView> {
    this.#storage.create({ ...creation, createdAt: this.#ports.now() });
    this.#storage.putCode(creation.codeHash, creation.codeExpiresAt);
    const view = await this.view();
    if (view === null) throw new Error('a removed gateway can not be created again');
    return view;
  }

  async view(): Promise<GatewayView | null> {
    const gateway = this.#standing();
    if (gateway === null) return null;
    const nodes = await withFingerprints(this.#storage.nodes(), this.#ports);
    const machines = await this.#machines.view(gateway);
    const shown = { machines, upgrade: this.#upgrade.view(machines), recovery: await this.#keys.recovery.view() };
    const seen = { sessions: readySessions(this.#ports.sockets), outstandingCommands: this.#queue.count() };
    return describeGateway({ gateway, nodes, ...shown, ...seen }, this.#ports.now());
  }

  async renewPairingCode(codeHash: string, codeExpiresAt: EpochMs): Promise<Result<null, ApiFailure>> {
    return this.#standing() === null ? err(apiFailure('NOT_FOUND')) : this.#nodes.renewCode(codeHash, codeExpiresAt);
  }

  async requestDeletion(actor: string): Promise<Result<GatewayView, ApiFailure>> {
    if (this.#standing() === null) return err(apiFailure('NOT_FOUND'));
    this.#storage.beginDeletion(this.#ports.now(), actor);
    this.#upgrade.end();
    await this.#machines.deletion.hint();
    const view = await this.view();
    return view === null ? err(apiFailure('NOT_FOUND')) : ok(view);
  }

  async leftovers(): Promise<Result<OrphanedGateway, ApiFailure>> {
    const gateway = this.#standing();
    return gateway === null ? err(apiFailure('NOT_FOUND')) : this.#machines.leftovers(gateway);
  }

  async remove(): Promise<void> {
    const gateway = this.#standing();
    if (gateway === null) return;
    await this.#machines.abandon(gateway);
    for (const socket of this.#ports.sockets.all()) socket.close(CLOSE.REVOKED, 'the gateway was deleted');
    this.#storage.remove(this.#ports.now());
    this.#ports.alarm.set(null);
  }

  async pairingChallenge(codeHash: string, origin: string): Promise<Result<PairingChallenge, ApiFailure>> {
    return pairingChallenge({ ...this.#ports, storage: this.#storage }, codeHash, origin);
  }

  async pair(request: PairingRequest, origin: string): Promise<Result<PairingResponse, ApiFailure>> {
    return this.#nodes.pair(request, origin);
  }

  async revokeNode(nodeId: RelayNodeId, giveUpKey: boolean): Promise<Result<null, ApiFailure>> {
    return this.#standing() === null ? err(apiFailure('NOT_FOUND')) : this.#nodes.revoke(nodeId, giveUpKey);
  }

  async revokeRelayOf(claim: Claim): Promise<Result<null, ApiFailure>> {
    return this.#standing() === null ? ok(null) : this.#nodes.revokeRelayOf(claim);
  }

  async resetKey(): Promise<Result<null, ApiFailure>> {
    return this.#standing() === null ? err(apiFailure('NOT_FOUND')) : this.#nodes.resetKey();
  }

  async recoveryBundle(): ReturnType<GatewayRpc['recoveryBundle']> {
    return this.#standing() === null ? err(apiFailure('NOT_FOUND')) : this.#keys.recovery.bundle();
  }

  async enqueue(commands: readonly Command[], project?: ProjectId): Promise<Result<null, ApiFailure>> {
    if (this.#standing() === null) return err(apiFailure('NOT_FOUND', 'There is no such gateway.'));
    return this.#intake.enqueue(commands, project);
  }

  async withdraw(commandIds: readonly CommandId[]): Promise<void> {
    if (this.#standing() !== null) this.#intake.withdraw(commandIds);
  }

  async link(cluster: ClusterId, believed: boolean, queued = false): Promise<boolean> {
    if (this.#standing() === null) return believed;
    this.tunnel.closeSilent(this.#ports.now());
    return this.#intake.link(cluster, believed, queued);
  }

  async leaveQueue(cluster: ClusterId): Promise<void> {
    if (this.#standing() !== null) this.#intake.leave(cluster);
  }

  async releasePublished(published: PublishedRelease): Promise<EpochMs | null> {
    if (this.#standing() === null) return null;
    this.#upgrade.told(published);
    this.#arm();
    return this.#upgrade.nextAt();
  }

  async requestUpgrade(asked: UpgradeAsked): Promise<Result<GatewayView, ApiFailure>> {
    return this.#upgraded(() => this.#upgrade.request(asked));
  }

  async cancelUpgrade(): Promise<Result<GatewayView, ApiFailure>> {
    return this.#upgraded(() => this.#upgrade.cancel());
  }

  async timeline(after: number, limit: number): Promise<TimelineEntry[]> {
    return this.#standing() === null ? [] : this.#storage.timeline.read(after, Math.min(limit, API_PAGE_SIZE_MAX));
  }

  async ask(command: Command, timeoutMs: number): Promise<Result<CommandOutcome, ApiFailure>> {
    if (this.#standing() === null || !this.#isConnected()) return err(apiFailure('GATEWAY_NOT_RUNNING'));
    const answer = this.#asks.wait(command, timeoutMs);
    this.#deliverAndTell();
    return answer;
  }

  async diagnose(...asked: Parameters<GatewayRpc['diagnose']>): ReturnType<GatewayRpc['diagnose']> {
    return diagnoseNodes(this.#diagnosing, this.#standing(), ...asked);
  }

  /** Null: there is a gateway, and it takes sockets. */
  refusesSockets(): 'unknown' | 'removed' | null {
    if (this.#standing() !== null) return null;
    return this.#storage.gateway() === null ? 'unknown' : 'removed';
  }

  opened(socket: TunnelSocket, origin: string): void {
    this.tunnel.opened(socket, origin);
    this.#arm();
  }

  async received(socket: TunnelSocket, message: string | ArrayBuffer): Promise<void> {
    await this.tunnel.received(socket, message);
    this.#arm();
  }

  async closed(socket: TunnelSocket): Promise<void> {
    await this.tunnel.closed(socket);
    this.#arm();
  }

  /** Never throws (an alarm that throws is lost after six tries), and always leaves the next alarm behind. */
  async alarm(): Promise<void> {
    const { alarm, now, log } = this.#ports;
    alarm.fired();
    try {
      this.tunnel.closeOverdue(now());
      this.#leadWatch.passOn();
      await this.#keys.plan();
      await this.#delivery.run();
      await this.#telling.run();
      await this.#machines.deletion.runDue();
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      log({ event: 'gateway-alarm-failed', failures: this.#failures, cause: messageOf(error) });
    } finally {
      this.#arm();
    }
  }

  #arm(): void {
    const gateway = this.#standing();
    if (gateway === null) return;
    this.#machines.check(gateway);
    this.#upgrade.check();
    this.#standings.tell();
    const own = [this.#keys.nextAt(), this.#leadWatch.dueAt(), ...this.#machines.moments(gateway)];
    const moments = [...this.tunnel.overdueAt(), this.#notices.nextAt(), this.#upgrade.nextAt(), ...own];
    this.#ports.alarm.set(nextAlarm(this.#ports.now(), moments, this.#failures));
  }

  #connectedChanged(connected: boolean): void {
    this.#ports.log({ event: connected ? 'gateway-connected' : 'gateway-disconnected' });
    this.#tell([...this.#queue.clustersWaiting(), ...(connected ? this.#notices.away() : [])], connected);
  }

  async #report(id: ClusterId, ...told: Parameters<ClusterRpc['report']>): Promise<void> {
    await this.#cluster(id)?.report(...told);
    this.#upgrade.reported(id);
    await this.#machines.reported(id);
  }

  async #upgraded(change: () => Result<null, ApiFailure>): Promise<Result<GatewayView, ApiFailure>> {
    if (this.#standing()?.deletingAt !== null) return err(apiFailure('NOT_FOUND'));
    const changed = change();
    if (!changed.ok) return changed;
    this.#arm();
    const view = await this.view();
    return view === null ? err(apiFailure('NOT_FOUND')) : ok(view);
  }

  #tell(clusters: readonly ClusterId[], connected = this.#isConnected()): void {
    this.#notices.put(clusters, connected);
    inBackground(this.#ports, 'notice-failed', this.#telling);
  }

  #deliverAndTell(): void {
    inBackground(this.#ports, 'delivery-failed', this.#delivery);
    inBackground(this.#ports, 'notice-failed', this.#telling);
    this.#arm();
  }

  #isConnected(): boolean {
    return isConnected(this.#ports.sockets, this.#ports.now());
  }

  #standing(): GatewayRecord | null {
    const gateway = this.#storage.gateway();
    return gateway === null || gateway.removedAt !== null ? null : gateway;
  }

  #cluster(id: ClusterId): Pick<ClusterRpc, 'report' | 'gatewayConnected'> | null {
    const gateway = this.#standing();
    return gateway === null ? null : this.#ports.cluster(this.#queue.scopeOf(id, gateway.scope), id);
  }
}
