// The Durable Object of a gateway: joins GatewayLogic to Cloudflare's sockets, storage and clock, and nothing else.
import { DurableObject } from 'cloudflare:workers';
import type { Claim } from '../../shared/claim.ts';
import type { AccountAccess, Command, CommandId } from '../../shared/command.ts';
import type { ClusterId, EpochMs, ProjectId, RelayNodeId, RequestId, Scope } from '../../shared/ids.ts';
import type { PairingRequest } from '../../shared/pairing.ts';
import { CLOSE, PING, PONG } from '../../shared/tunnel-frame.ts';
import { now, randomBytes } from '../clock.ts';
import { clusterOf, type Env, ORIGIN_HEADER, waitsOf } from '../env.ts';
import { log } from '../log.ts';
import { commandSigner, verifyText } from '../sign-command.ts';
import type { PublishedRelease } from '../store/releases.ts';
import { workerdAlarm } from './alarm.ts';
import { gatewayCatalogue } from './gateway-catalogue.ts';
import { GatewayLogic } from './gateway-logic.ts';
import type { OwnClusterPort } from './gateway-ports.ts';
import { keyFingerprint } from './key-fingerprint.ts';
import type { GatewayCreation, GatewayRpc, UpgradeAsked } from './rpc.ts';
import { workerdSql } from './sql.ts';
import { SessionState, type TunnelSocket } from './tunnel-session.ts';
import { within } from './within.ts';

/** A cluster stores and answers within milliseconds; beyond this it is gone and the relay repeats. */
const CLUSTER_CALL_MS = 15_000;

export class GatewayObject extends DurableObject<Env> implements GatewayRpc {
  readonly #logic: GatewayLogic;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    this.#logic = new GatewayLogic({
      now,
      guardMs: waitsOf(env).leaseGuardMs,
      leaseMs: waitsOf(env).leaseMs,
      sql: workerdSql(ctx.storage),
      alarm: workerdAlarm(ctx.storage),
      sockets: {
        all: () =>
          ctx
            .getWebSockets()
            .filter(isOpen)
            .map((one) => this.#socket(one)),
      },
      cluster: (scope, id) => ({
        report: (...letter) => within(CLUSTER_CALL_MS, 'report', clusterOf(env, scope, id).report(...letter)),
        gatewayConnected: (connected, ahead) =>
          within(CLUSTER_CALL_MS, 'gatewayConnected', clusterOf(env, scope, id).gatewayConnected(connected, ahead)),
      }),
      ownCluster: (scope, id) => ownClusterOf(env, scope, id),
      catalogue: gatewayCatalogue(env),
      sign: async (text) => (await commandSigner(env)).sign(text),
      releaseKey: env.RELEASE_KEY || null,
      commandKey: async () => (await commandSigner(env)).publicKey,
      verify: verifyText,
      keyFingerprint,
      randomBytes,
      after: (ms, call) => {
        const timer = setTimeout(call, ms);
        return () => clearTimeout(timer);
      },
      background: (work) => ctx.waitUntil(work),
      log,
    });
  }

  /** The tunnel's upgrade, already looked at by api/tunnel.ts. */
  override async fetch(request: Request): Promise<Response> {
    const refused = this.#logic.refusesSockets();
    if (refused === 'unknown') return new Response(null, { status: 404 });
    const { 0: theirs, 1: ours } = new WebSocketPair();
    if (refused === 'removed') {
      ours.accept();
      ours.close(CLOSE.REVOKED, 'the gateway was deleted');
    } else {
      this.ctx.acceptWebSocket(ours);
      this.#logic.opened(this.#socket(ours), request.headers.get(ORIGIN_HEADER) ?? '');
    }
    return new Response(null, { status: 101, webSocket: theirs });
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    return this.#logic.received(this.#socket(socket), message);
  }

  override webSocketClose(socket: WebSocket): Promise<void> {
    return this.#logic.closed(this.#socket(socket));
  }

  override webSocketError(socket: WebSocket): Promise<void> {
    return this.#logic.closed(this.#socket(socket));
  }

  override alarm(): Promise<void> {
    return this.#logic.alarm();
  }

  create(creation: GatewayCreation) {
    return this.#logic.create(creation);
  }

  view() {
    return this.#logic.view();
  }

  renewPairingCode(codeHash: string, codeExpiresAt: EpochMs) {
    return this.#logic.renewPairingCode(codeHash, codeExpiresAt);
  }

  requestDeletion(actor: string) {
    return this.#logic.requestDeletion(actor);
  }

  leftovers() {
    return this.#logic.leftovers();
  }

  revokeRelayOf(claim: Claim) {
    return this.#logic.revokeRelayOf(claim);
  }

  remove() {
    return this.#logic.remove();
  }

  pairingChallenge(codeHash: string, origin: string) {
    return this.#logic.pairingChallenge(codeHash, origin);
  }

  pair(request: PairingRequest, origin: string) {
    return this.#logic.pair(request, origin);
  }

  revokeNode(nodeId: RelayNodeId, giveUpKey: boolean) {
    return this.#logic.revokeNode(nodeId, giveUpKey);
  }

  resetKey() {
    return this.#logic.resetKey();
  }

  recoveryBundle() {
    return this.#logic.recoveryBundle();
  }

  enqueue(commands: readonly Command[], project?: ProjectId) {
    return this.#logic.enqueue(commands, project);
  }

  withdraw(commandIds: readonly CommandId[]) {
    return this.#logic.withdraw(commandIds);
  }

  link(cluster: ClusterId, believed: boolean, queued?: boolean) {
    return this.#logic.link(cluster, believed, queued);
  }

  leaveQueue(cluster: ClusterId) {
    return this.#logic.leaveQueue(cluster);
  }

  releasePublished(published: PublishedRelease) {
    return this.#logic.releasePublished(published);
  }

  requestUpgrade(asked: UpgradeAsked) {
    return this.#logic.requestUpgrade(asked);
  }

  cancelUpgrade() {
    return this.#logic.cancelUpgrade();
  }

  timeline(after: number, limit: number) {
    return this.#logic.timeline(after, limit);
  }

  ask(command: Command, timeoutMs: number) {
    return this.#logic.ask(command, timeoutMs);
  }

  diagnose(requestId: RequestId, accounts: readonly AccountAccess[]) {
    return this.#logic.diagnose(requestId, accounts);
  }

  #socket(socket: WebSocket): TunnelSocket {
    return {
      isOpen: () => isOpen(socket),
      state: () => SessionState.parse(socket.deserializeAttachment()),
      keep: (state) => socket.serializeAttachment(state),
      send: (text) => {
        if (isOpen(socket)) socket.send(text);
      },
      close: (code, reason) => {
        if (isOpen(socket)) socket.close(code, reason);
      },
      lastPongAt: () => this.ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? null,
    };
  }
}

/** A stub is taken for each call: one that has failed stays failed. */
function ownClusterOf(env: Env, scope: Scope, id: ClusterId): OwnClusterPort {
  const timed = <T>(what: string, work: Promise<T>): Promise<T> => within(CLUSTER_CALL_MS, what, work);
  const object = () => clusterOf(env, scope, id);
  return {
    view: () => timed('view', object().view()),
    relaysChanged: (relays, notice) => timed('relaysChanged', object().relaysChanged(relays, notice)),
    requestAbort: (actor) => timed('requestAbort', object().requestAbort(actor)),
    requestDeletion: (actor) => timed('requestDeletion', object().requestDeletion(actor)),
    leftovers: () => timed('leftovers', object().leftovers()),
    abandon: () => timed('abandon', object().abandon()),
    changeMachines: (release) => timed('changeMachines', object().changeMachines(release)),
  };
}

function isOpen(socket: WebSocket): boolean {
  return socket.readyState === WebSocket.OPEN;
}
