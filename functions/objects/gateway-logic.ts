// What the object of one gateway does, over ports, so that it runs in workerd and in a simulator alike. It keeps commands until
// they are settled, gives them to the relay that leads, and carries back what the relay says. It has no opinion of its own.
import type { Claim } from '../../shared/claim.ts';
import type { Command, CommandId, CommandOutcome } from '../../shared/command.ts';
import type { GatewayView, OrphanedGateway } from '../../shared/gateway-view.ts';
import type { ClusterId, EpochMs, ProjectId, RelayNodeId } from '../../shared/ids.ts';
import type { PairingChallenge, PairingRequest, PairingResponse } from '../../shared/pairing.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { CLOSE } from '../../shared/tunnel-frame.ts';
import { messageOf } from '../log.ts';
import { type Asks, pendingAsks } from './asks.ts';
import { type ClusterNotices, clusterNotices } from './cluster-notices.ts';
import { type CommandQueue, commandQueue } from './command-queue.ts';
import { Delivery } from './delivery.ts';
import { describeGateway, withFingerprints } from './describe-gateway.ts';
import { type DiagnosticsPorts, diagnoseNodes } from './diagnostics.ts';
import { type PairingPorts, pair, pairingChallenge } from './gateway-pairing.ts';
import type { GatewayPorts } from './gateway-ports.ts';
import { type GatewayRecord, type GatewayStorage, gatewayStorage } from './gateway-storage.ts';
import { inBackground } from './in-background.ts';
import { KeyExchange } from './key-exchange.ts';
import { leadWatch } from './lead-watch.ts';
import { nextAlarm } from './next-alarm.ts';
import { type RemovalPorts, resetKey, revokeNode } from './node-removal.ts';
import { noticeTeller } from './notice-teller.ts';
import { OwnMachines } from './own-machines.ts';
import { ReportInbox } from './report-inbox.ts';
import type { ClusterRpc, GatewayCreation, GatewayRpc } from './rpc.ts';
import { sendWithdraw } from './send-withdraw.ts';
import type { SingleFlight } from './single-flight.ts';
import { Standings } from './standings.ts';
import { TunnelLogic } from './tunnel-logic.ts';
import { isConnected, readySessions, type TunnelSocket } from './tunnel-session.ts';

export class GatewayLogic implements GatewayRpc {
  readonly #ports: GatewayPorts;
  readonly #storage: GatewayStorage;
  readonly #shared: PairingPorts & Omit<DiagnosticsPorts, 'deliver'>;
  readonly #queue: CommandQueue;
  readonly #notices: ClusterNotices;
  readonly #asks: Asks;
  readonly #delivery: Delivery;
  readonly #telling: SingleFlight;
  readonly #keys: KeyExchange;
  readonly #standings: Standings;
  readonly #leadWatch: ReturnType<typeof leadWatch>;
  readonly #machines: OwnMachines;
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
    this.#shared = parts;
    this.#keys = new KeyExchange(parts);
    this.#standings = new Standings(parts);
    this.#leadWatch = leadWatch(parts);
    this.#delivery = new Delivery({ ...parts, gatewayId: () => this.#storage.gateway()?.gatewayId ?? null });
    const revoke = (nodeId: RelayNodeId) => this.#revoke(nodeId);
    this.#machines = new OwnMachines({ ...parts, revoke, forget: () => this.remove() });
    const inbox = new ReportInbox({ ...parts, report: (id, settled, observed) => this.#report(id, settled, observed) });
    this.#telling = noticeTeller({ ...parts, notices: this.#notices, clusterOf: (id) => this.#cluster(id) });
    const connectedChanged = (connected: boolean) => this.#connectedChanged(connected);
    const own = { keys: this.#keys, standings: this.#standings, delivery: this.#delivery, ownMachines: this.#machines };
    const { mayLead } = this.#machines.outside;
    this.tunnel = new TunnelLogic({ ...parts, ...own, mayLead, inbox, connectedChanged });
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
    const { sockets, now } = this.#ports;
    const nodes = await withFingerprints(this.#storage.nodes(), this.#ports);
    const machines = await this.#machines.view(gateway);
    const sessions = readySessions(sockets);
    return describeGateway({ gateway, nodes, sessions, outstandingCommands: this.#queue.count(), machines }, now());
  }

  async renewPairingCode(codeHash: string, codeExpiresAt: EpochMs): Promise<Result<null, ApiFailure>> {
    if (this.#standing() === null) return err(apiFailure('NOT_FOUND'));
    this.#storage.putCode(codeHash, codeExpiresAt);
    return ok(null);
  }

  async requestDeletion(actor: string): Promise<Result<GatewayView, ApiFailure>> {
    if (this.#standing() === null) return err(apiFailure('NOT_FOUND'));
    this.#storage.beginDeletion(this.#ports.now(), actor);
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
    return pairingChallenge(this.#shared, codeHash, origin);
  }

  async pair(request: PairingRequest, origin: string): Promise<Result<PairingResponse, ApiFailure>> {
    const paired = await pair(this.#shared, request, origin);
    if (!paired.ok) return paired;
    const { response, replaced } = paired.value;
    // What was under way for this node is of its pairing before.
    for (const nodeId of [response.nodeId, ...replaced]) sendWithdraw(this.#ports.sockets, this.#keys.drop(nodeId));
    for (const nodeId of replaced) this.tunnel.revoke(nodeId);
    await this.#keys.plan();
    this.#standings.changed();
    this.#deliverAndTell();
    return ok(response);
  }

  async revokeNode(nodeId: RelayNodeId, giveUpKey: boolean): Promise<Result<null, ApiFailure>> {
    if (this.#standing() === null) return err(apiFailure('NOT_FOUND'));
    const revoked = revokeNode(this.#removal(), nodeId, giveUpKey);
    this.#deliverAndTell();
    return revoked;
  }

  async revokeRelayOf(claim: Claim): Promise<Result<null, ApiFailure>> {
    if (this.#standing() === null) return ok(null);
    this.#storage.codes.drop(claim);
    for (const { nodeId } of this.#storage.nodesOfClaim(claim)) {
      const refused = this.#revoke(nodeId);
      if (refused !== null) return err(refused);
    }
    return ok(null);
  }

  async resetKey(): Promise<Result<null, ApiFailure>> {
    if (this.#standing() === null) return err(apiFailure('NOT_FOUND'));
    const reset = resetKey(this.#removal());
    this.#arm();
    return reset;
  }

  async enqueue(commands: readonly Command[], project?: ProjectId): Promise<Result<null, ApiFailure>> {
    if (this.#standing() === null) return err(apiFailure('NOT_FOUND', 'There is no such gateway.'));
    const added = this.#queue.add(commands, this.#ports.now(), null, project);
    if (!added.ok) return added;
    const { superseded, strangers, changed } = added.value;
    for (const commandId of changed)
      this.#ports.log({ event: 'command-changed', code: 'CONFIGURATION_CHANGED', commandId });
    sendWithdraw(this.#ports.sockets, superseded);
    // A cluster that is new here does not know yet whether a relay is connected.
    this.#notices.put(strangers, this.#isConnected());
    this.#deliverAndTell();
    return ok(null);
  }

  async withdraw(commandIds: readonly CommandId[]): Promise<void> {
    if (this.#standing() === null) return;
    sendWithdraw(this.#ports.sockets, this.#queue.withdraw(commandIds, this.#ports.now()));
  }

  async link(cluster: ClusterId, believed: boolean): Promise<boolean> {
    if (this.#standing() === null) return believed;
    this.tunnel.closeSilent(this.#ports.now());
    const connected = this.#isConnected();
    if (connected !== believed) this.#notices.put([cluster], connected);
    this.#deliverAndTell();
    return connected;
  }

  async ask(command: Command, timeoutMs: number): Promise<Result<CommandOutcome, ApiFailure>> {
    if (this.#standing() === null || !this.#isConnected()) return err(apiFailure('GATEWAY_NOT_RUNNING'));
    const answer = this.#asks.wait(command, timeoutMs);
    this.#deliverAndTell();
    return answer;
  }

  async diagnose(...asked: Parameters<GatewayRpc['diagnose']>): ReturnType<GatewayRpc['diagnose']> {
    const parts = { ...this.#shared, deliver: () => this.#deliverAndTell() };
    return diagnoseNodes(parts, this.#standing(), ...asked);
  }

  /** Null: there is a gateway, and it takes sockets. */
  refusesSockets(): 'unknown' | 'removed' | null {
    const gateway = this.#storage.gateway();
    if (gateway === null) return 'unknown';
    return gateway.removedAt === null ? null : 'removed';
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
    const now = this.#ports.now();
    const gateway = this.#standing();
    if (gateway === null) return;
    this.#machines.check(gateway);
    this.#standings.tell();
    const own = [this.#keys.nextAt(), this.#leadWatch.dueAt(), ...this.#machines.moments(gateway)];
    const moments = [this.tunnel.overdueAt(), this.#notices.nextAt(), ...own];
    this.#ports.alarm.set(nextAlarm(now, moments, this.#failures));
  }

  #connectedChanged(connected: boolean): void {
    this.#ports.log({ event: connected ? 'gateway-connected' : 'gateway-disconnected' });
    this.#notices.put([...this.#queue.clustersWaiting(), ...(connected ? this.#notices.away() : [])], connected);
    inBackground(this.#ports, 'notice-failed', this.#telling);
  }

  async #report(id: ClusterId, ...told: Parameters<ClusterRpc['report']>): Promise<void> {
    await this.#cluster(id)?.report(...told);
    await this.#machines.reported(id);
  }

  #revoke(nodeId: RelayNodeId): ApiFailure | null {
    const revoked = revokeNode(this.#removal(), nodeId, false);
    this.#deliverAndTell();
    return revoked.ok ? null : revoked.error;
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

  #removal(): RemovalPorts {
    return {
      ...{ ...this.#shared, log: this.#ports.log, keys: this.#keys },
      revoke: (nodeId) => this.tunnel.revoke(nodeId),
      sendWithdraw: (ids) => sendWithdraw(this.#ports.sockets, ids),
      isConnected: () => this.#isConnected(),
    };
  }
}
