// What the object of one gateway does, over ports, so that it runs in workerd and in a simulator alike. It keeps commands until
// they are settled, gives them to the relay that leads, and carries back what the relay says. It has no opinion of its own.
import type { Command, CommandId, CommandOutcome } from '../../shared/command.ts';
import type { GatewayView } from '../../shared/gateway-view.ts';
import { type ClusterId, type EpochMs, objectName, type RelayNodeId, type Scope } from '../../shared/ids.ts';
import type { PairingChallenge, PairingRequest, PairingResponse } from '../../shared/pairing.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { CLOSE, encodeFrame, PROTOCOL_VERSION } from '../../shared/tunnel-frame.ts';
import { type LogRecord, messageOf } from '../log.ts';
import type { Alarm } from './alarm.ts';
import { type Asks, pendingAsks } from './asks.ts';
import { type ClusterNotices, clusterNotices } from './cluster-notices.ts';
import { type CommandQueue, commandQueue } from './command-queue.ts';
import { Delivery } from './delivery.ts';
import { describeGateway } from './describe-gateway.ts';
import { type PairingPorts, pair, pairingChallenge } from './gateway-pairing.ts';
import { type GatewayRecord, type GatewayStorage, gatewayStorage } from './gateway-storage.ts';
import { KeyExchange } from './key-exchange.ts';
import { leadWatch } from './lead-watch.ts';
import { nextAlarm } from './next-alarm.ts';
import { type RemovalPorts, resetKey, revokeNode } from './node-removal.ts';
import { ReportInbox } from './report-inbox.ts';
import type { ClusterRpc, GatewayCreation, GatewayRpc } from './rpc.ts';
import { SingleFlight } from './single-flight.ts';
import type { Sql } from './sql.ts';
import { Standings } from './standings.ts';
import { tellClusters } from './tell-clusters.ts';
import { TunnelLogic } from './tunnel-logic.ts';
import { activeSessions, isAlive, readySessions, type Sockets, type TunnelSocket } from './tunnel-session.ts';

/** Ids in one withdraw frame (shared/tunnel-frame.ts). */
const WITHDRAW_IDS_MAX = 1_000;

export type GatewayPorts = {
  now(): EpochMs;
  readonly guardMs: number;
  /** LEASE_MS when left out. */
  readonly leaseMs?: number | undefined;
  readonly sql: Sql;
  readonly alarm: Alarm;
  readonly sockets: Sockets;
  cluster(scope: Scope, id: ClusterId): Pick<ClusterRpc, 'report' | 'gatewayConnected'>;
  sign(text: string): Promise<string>;
  /** Raw public key of `sign`, base64url. */
  commandKey(): Promise<string>;
  verify(key: string, text: string, signature: string): Promise<boolean>;
  keyFingerprint(key: string): Promise<string>;
  randomBytes(count: number): Uint8Array;
  /** Calls back once after so many milliseconds; gives what cancels it. */
  after(ms: number, call: () => void): () => void;
  /** Lets work go on after the answer is given. */
  background(work: Promise<void>): void;
  log(record: LogRecord): void;
};

export class GatewayLogic implements GatewayRpc {
  readonly #ports: GatewayPorts;
  readonly #storage: GatewayStorage;
  readonly #queue: CommandQueue;
  readonly #notices: ClusterNotices;
  readonly #asks: Asks;
  readonly #delivery: Delivery;
  readonly #telling: SingleFlight;
  readonly #keys: KeyExchange;
  readonly #standings: Standings;
  readonly #leadWatch: ReturnType<typeof leadWatch>;
  readonly tunnel: TunnelLogic;
  #failures = 0;

  constructor(ports: GatewayPorts) {
    this.#ports = ports;
    this.#storage = gatewayStorage(ports.sql);
    this.#storage.upgrade();
    this.#queue = commandQueue(ports.sql);
    this.#notices = clusterNotices(ports.sql);
    this.#asks = pendingAsks((ms, call) => ports.after(ms, call));
    const parts = { ...ports, storage: this.#storage, queue: this.#queue, asks: this.#asks };
    this.#keys = new KeyExchange(parts);
    this.#standings = new Standings(parts);
    this.#leadWatch = leadWatch(parts);
    this.#delivery = new Delivery({ ...parts, gatewayId: () => this.#storage.gateway()?.gatewayId ?? null });
    const inbox = new ReportInbox({
      ...parts,
      report: async (id, settled, observed) => this.#cluster(id)?.report(settled, observed),
    });
    this.#telling = new SingleFlight(() => this.#tellClusters());
    const connectedChanged = (connected: boolean) => this.#connectedChanged(connected);
    const own = { keys: this.#keys, standings: this.#standings, delivery: this.#delivery };
    this.tunnel = new TunnelLogic({ ...parts, ...own, inbox, connectedChanged });
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
    const { keyFingerprint, sockets, now } = this.#ports;
    const nodes = await Promise.all(
      this.#storage.nodes().map(async (node) => ({ ...node, keyFingerprint: await keyFingerprint(node.identityKey) })),
    );
    const sessions = readySessions(sockets);
    return describeGateway({ gateway, nodes, sessions, outstandingCommands: this.#queue.count() }, now());
  }

  async renewPairingCode(codeHash: string, codeExpiresAt: EpochMs): Promise<Result<null, ApiFailure>> {
    if (this.#standing() === null) return err(apiFailure('NOT_FOUND'));
    this.#storage.putCode(codeHash, codeExpiresAt);
    return ok(null);
  }

  async remove(): Promise<void> {
    if (this.#standing() === null) return;
    for (const socket of this.#ports.sockets.all()) socket.close(CLOSE.REVOKED, 'the gateway was deleted');
    this.#storage.remove(this.#ports.now());
    this.#ports.alarm.set(null);
  }

  async pairingChallenge(codeHash: string, origin: string): Promise<Result<PairingChallenge, ApiFailure>> {
    return pairingChallenge(this.#pairing(), codeHash, origin);
  }

  async pair(request: PairingRequest, origin: string): Promise<Result<PairingResponse, ApiFailure>> {
    const paired = await pair(this.#pairing(), request, origin);
    if (!paired.ok) return paired;
    // What was under way for this node is of its pairing before.
    this.#sendWithdraw(this.#keys.drop(paired.value.nodeId));
    await this.#keys.plan();
    this.#standings.changed();
    this.#deliverAndTell();
    return paired;
  }

  async revokeNode(nodeId: RelayNodeId, giveUpKey: boolean): Promise<Result<null, ApiFailure>> {
    if (this.#standing() === null) return err(apiFailure('NOT_FOUND'));
    const revoked = revokeNode(this.#removal(), nodeId, giveUpKey);
    this.#deliverAndTell();
    return revoked;
  }

  async resetKey(): Promise<Result<null, ApiFailure>> {
    if (this.#standing() === null) return err(apiFailure('NOT_FOUND'));
    return resetKey(this.#removal());
  }

  async enqueue(commands: readonly Command[]): Promise<Result<null, ApiFailure>> {
    if (this.#standing() === null) return err(apiFailure('NOT_FOUND', 'There is no such gateway.'));
    const added = this.#queue.add(commands, this.#ports.now());
    if (!added.ok) return added;
    const { superseded, strangers, changed } = added.value;
    for (const commandId of changed)
      this.#ports.log({ event: 'command-changed', code: 'CONFIGURATION_CHANGED', commandId });
    this.#sendWithdraw(superseded);
    // A cluster that is new here does not know yet whether a relay is connected.
    this.#notices.put(strangers, this.#isConnected());
    this.#deliverAndTell();
    return ok(null);
  }

  async withdraw(commandIds: readonly CommandId[]): Promise<void> {
    if (this.#standing() === null) return;
    this.#sendWithdraw(this.#queue.withdraw(commandIds, this.#ports.now()));
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
    if (this.#standing() === null) return;
    this.#standings.tell();
    const own = [this.#keys.nextAt(), this.#leadWatch.dueAt()];
    const moments = [this.tunnel.overdueAt(), this.#notices.nextAt(), ...own];
    this.#ports.alarm.set(nextAlarm(now, moments, this.#failures));
  }

  #connectedChanged(connected: boolean): void {
    this.#ports.log({ event: connected ? 'gateway-connected' : 'gateway-disconnected' });
    this.#notices.put([...this.#queue.clustersWaiting(), ...(connected ? this.#notices.away() : [])], connected);
    this.#inBackground('notice-failed', this.#telling);
  }

  async #tellClusters(): Promise<void> {
    await tellClusters({ ...this.#ports, notices: this.#notices, cluster: (id) => this.#cluster(id) });
    this.#arm();
  }

  #deliverAndTell(): void {
    this.#inBackground('delivery-failed', this.#delivery);
    this.#inBackground('notice-failed', this.#telling);
    this.#arm();
  }

  #inBackground(event: string, work: { run(): Promise<void> }): void {
    const { background, log } = this.#ports;
    background(work.run().catch((error) => log({ event, cause: messageOf(error) })));
  }

  /** C5: to every session, since one that led before may still stand on them. */
  #sendWithdraw(commandIds: readonly CommandId[]): void {
    for (let at = 0; at < commandIds.length; at += WITHDRAW_IDS_MAX) {
      const ids = commandIds.slice(at, at + WITHDRAW_IDS_MAX);
      const frame = encodeFrame({ v: PROTOCOL_VERSION, type: 'withdraw', commandIds: ids });
      for (const { socket } of readySessions(this.#ports.sockets)) socket.send(frame);
    }
  }

  #isConnected(): boolean {
    const now = this.#ports.now();
    return activeSessions(this.#ports.sockets).some((session) => isAlive(session, now));
  }

  #standing(): GatewayRecord | null {
    const gateway = this.#storage.gateway();
    return gateway === null || gateway.removedAt !== null ? null : gateway;
  }

  #cluster(id: ClusterId): Pick<ClusterRpc, 'report' | 'gatewayConnected'> | null {
    const gateway = this.#standing();
    return gateway === null ? null : this.#ports.cluster(gateway.scope, id);
  }

  #removal(): RemovalPorts {
    return {
      ...{ ...this.#ports, storage: this.#storage, keys: this.#keys },
      revoke: (nodeId) => this.tunnel.revoke(nodeId),
      sendWithdraw: (ids) => this.#sendWithdraw(ids),
      isConnected: () => this.#isConnected(),
    };
  }

  #pairing(): PairingPorts {
    return {
      ...this.#ports,
      storage: this.#storage,
      tunnelPath: ({ scope, gatewayId }) => `/v1/tunnel?object=${encodeURIComponent(objectName(scope, gatewayId))}`,
    };
  }
}
