// The gateway's logic over node:sqlite with a clock that the test moves, sockets it holds, and real Ed25519 keys: thousands of
// handshakes and minutes of silence take seconds.
import { GatewayLogic } from '../../functions/objects/gateway-logic.ts';
import type { GatewayPorts } from '../../functions/objects/gateway-ports.ts';
import { keyFingerprint } from '../../functions/objects/key-fingerprint.ts';
import { SessionState, type TunnelSocket } from '../../functions/objects/tunnel-session.ts';
import { toBase64url, verifyText } from '../../functions/sign-command.ts';
import type { Claim } from '../../shared/claim.ts';
import type { Command } from '../../shared/command.ts';
import type { RelayNodeId } from '../../shared/ids.ts';
import { PRODUCTION_WAITS } from '../../shared/limits.ts';
import type { Observation } from '../../shared/observation.ts';
import { type PairingRequest, type PairingResponse, pairingText } from '../../shared/pairing.ts';
import {
  DeliverPayload,
  EdgeFrame,
  encodeFrame,
  helloText,
  PROTOCOL_VERSION,
  type RelayFrame,
} from '../../shared/tunnel-frame.ts';
import { NO_OWN_MACHINES } from '../support/no-own-machines.ts';
import { nodeSql } from '../support/node-sql.ts';
import { GATEWAY_ID, SCOPE } from './command-samples.ts';

export const ORIGIN = 'https://slipway.test';
const START = 1_800_000_000_000;
const CODE_MS = 86_400_000;

export type BenchKeys = { readonly identityKey: string; sign(text: string): Promise<string> };
export type BenchNode = BenchKeys & { readonly nodeId: RelayNodeId };
type MoreOfHello = { readonly relayVersion?: string; readonly trial?: true };
type Body<F> = F extends unknown ? Omit<F, 'v'> : never;
type FrameOf<T extends EdgeFrame['type']> = Extract<EdgeFrame, { type: T }>;

export async function benchKeys(): Promise<BenchKeys> {
  const pair = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']);
  if (!('privateKey' in pair)) throw new Error('no key pair');
  const identityKey = toBase64url(new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)));
  const sign = async (text: string): Promise<string> =>
    toBase64url(new Uint8Array(await crypto.subtle.sign('Ed25519', pair.privateKey, new TextEncoder().encode(text))));
  return { identityKey, sign };
}

/** A raw X25519 public key's look: what the edge makes of it is only to keep it. */
export const agreementKeyOf = (name: string): string => name.padEnd(43, '_').slice(0, 43);

/** One socket, as relay and test see it. */
export class BenchSocket {
  readonly frames: EdgeFrame[] = [];
  closedWith: number | null = null;
  /** As the runtime keeps it: pings are answered while the process lives. */
  pongAt: number | null = null;
  #state: SessionState = { phase: 'challenged', nonce: '', origin: '', since: 0 };
  readonly edge: TunnelSocket = {
    isOpen: () => this.closedWith === null,
    state: () => this.#state,
    keep: (next) => {
      this.#state = SessionState.parse(structuredClone(next));
    },
    send: (text) => void this.frames.push(EdgeFrame.parse(JSON.parse(text))),
    close: (code) => {
      this.closedWith ??= code;
    },
    lastPongAt: () => this.pongAt,
  };

  all<T extends EdgeFrame['type']>(type: T): FrameOf<T>[] {
    const isWanted = (frame: EdgeFrame): frame is FrameOf<T> => frame.type === type;
    return this.frames.filter(isWanted);
  }

  last<T extends EdgeFrame['type']>(type: T): FrameOf<T> | undefined {
    return this.all(type).at(-1);
  }

  delivered(): Command[] {
    return this.all('deliver').flatMap(({ payload }) => DeliverPayload.parse(JSON.parse(payload)).commands);
  }
}

export class GatewayBench {
  now = START;
  alarmAt: number | null = null;
  readonly sql = nodeSql();
  readonly ports: GatewayPorts;
  readonly logic: GatewayLogic;
  /** What clusters were told. */
  readonly observed: Observation[] = [];
  readonly #sockets: BenchSocket[] = [];
  readonly #work: Promise<void>[] = [];
  #counter = 0;

  constructor(own: Partial<GatewayPorts> = {}) {
    this.ports = {
      ...NO_OWN_MACHINES,
      now: () => this.now,
      guardMs: PRODUCTION_WAITS.leaseGuardMs,
      leaseMs: PRODUCTION_WAITS.leaseMs,
      sql: this.sql,
      alarm: {
        set: (at) => {
          this.alarmAt = at;
        },
        fired: () => {
          this.alarmAt = null;
        },
      },
      sockets: { all: () => this.#sockets.filter((one) => one.closedWith === null).map((one) => one.edge) },
      cluster: () => ({
        report: async (_settled, observed) => void this.observed.push(...observed),
        gatewayConnected: async () => undefined,
      }),
      sign: async () => 'c2lnbmVk',
      releaseKey: null,
      commandKey: async () => 'k'.repeat(43),
      verify: verifyText,
      keyFingerprint,
      randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
      after: () => () => undefined,
      background: (work) => void this.#work.push(work),
      log: () => undefined,
      ...own,
    };
    this.logic = new GatewayLogic(this.ports);
  }

  async create(codeHash: string): Promise<void> {
    const code = { codeHash, codeExpiresAt: this.now + CODE_MS };
    await this.logic.create({ scope: SCOPE, gatewayId: GATEWAY_ID, name: 'bench', ...code });
  }

  renew = (codeHash: string) => this.logic.renewPairingCode(codeHash, this.now + CODE_MS);

  /** A request with a challenge of its own. @param sealingKey what the relay offers to the gateway */
  async request(keys: BenchKeys, codeHash: string, sealingKey = agreementKeyOf('gateway')): Promise<PairingRequest> {
    const challenge = await this.logic.pairingChallenge(codeHash, ORIGIN);
    if (!challenge.ok) throw new Error(challenge.error.code);
    const { identityKey } = keys;
    const own = { sealingKey, keyAgreementKey: agreementKeyOf(`of-${identityKey.slice(0, 20)}`) };
    const about = { codeHash, nonce: challenge.value.nonce, identityKey, hostname: 'relay', relayVersion: '0' };
    const request = { ...about, ...own };
    return { ...request, signature: await keys.sign(pairingText(request, ORIGIN)) };
  }

  /** Makes the gateway if there is none, and pairs one more node. */
  async pair(sealingKey?: string): Promise<BenchNode & PairingResponse> {
    this.#counter += 1;
    // Nodes are listed in the order in which they paired.
    this.now += 1;
    const codeHash = String(this.#counter).padEnd(43, 'c');
    if ((await this.logic.view()) === null) await this.create(codeHash);
    else await this.renew(codeHash);
    const keys = await benchKeys();
    const paired = await this.logic.pair(await this.request(keys, codeHash, sealingKey), ORIGIN);
    if (!paired.ok) throw new Error(paired.error.code);
    await this.settle();
    return { ...keys, ...paired.value };
  }

  /** A relay on a machine of the gateway's own: `maker`, who is there already, makes the code for it (I3). */
  async pairOnMachine(maker: BenchSocket, claim: Claim): Promise<BenchNode & PairingResponse> {
    this.#counter += 1;
    this.now += 1;
    const codeHash = String(this.#counter).padEnd(43, 'm');
    await this.say(maker, { type: 'pairing-code', codeHash, claim });
    if (maker.last('pairing-code-ack')?.codeHash !== codeHash) throw new Error('the code is not acknowledged');
    const keys = await benchKeys();
    const paired = await this.logic.pair(await this.request(keys, codeHash), ORIGIN);
    if (!paired.ok) throw new Error(paired.error.code);
    await this.settle();
    return { ...keys, ...paired.value };
  }

  /** Dials; says no hello yet. */
  dial(): BenchSocket {
    const socket = new BenchSocket();
    this.#sockets.push(socket);
    this.logic.opened(socket.edge, ORIGIN);
    return socket;
  }

  /** The hello that answers the challenge of this socket. */
  async helloOn(socket: BenchSocket, node: BenchNode, joinCounter: number, bootId: string, more: MoreOfHello = {}) {
    const challenge = socket.last('challenge');
    if (challenge === undefined) throw new Error('no challenge');
    const about = { gatewayId: GATEWAY_ID, nodeId: node.nodeId, bootId, joinCounter };
    const hello = { ...about, relayVersion: '0', ...more };
    const signature = await node.sign(helloText(challenge, hello));
    return { v: PROTOCOL_VERSION, type: 'hello' as const, ...hello, signature } as const;
  }

  async join(node: BenchNode, joinCounter = 1, bootId = 'boot', more: MoreOfHello = {}): Promise<BenchSocket> {
    const socket = this.dial();
    await this.receive(socket, encodeFrame(await this.helloOn(socket, node, joinCounter, bootId, more)));
    return socket;
  }

  async say(socket: BenchSocket, frame: Body<RelayFrame>): Promise<void> {
    await this.receive(socket, encodeFrame({ v: PROTOCOL_VERSION, ...frame }));
  }

  async receive(socket: BenchSocket, text: string): Promise<void> {
    await this.logic.received(socket.edge, text);
    await this.settle();
  }

  /** What a living relay does with what it was sent: says that it has it. */
  async receipts(socket: BenchSocket): Promise<void> {
    const commandIds = socket.delivered().map(({ commandId }) => commandId);
    if (commandIds.length > 0) await this.say(socket, { type: 'receipt', commandIds });
  }

  async drop(socket: BenchSocket): Promise<void> {
    socket.closedWith = 1006;
    await this.logic.closed(socket.edge);
    await this.settle();
  }

  /** Time passes; alarms fire when they are due. @param alive whose pings go on */
  async advance(ms: number, alive: readonly BenchSocket[] = []): Promise<void> {
    const end = this.now + ms;
    while (this.alarmAt !== null && this.alarmAt <= end) {
      this.now = Math.max(this.now, this.alarmAt);
      for (const socket of alive) socket.pongAt = this.now;
      await this.logic.alarm();
      await this.settle();
    }
    this.now = end;
    for (const socket of alive) socket.pongAt = end;
  }

  async settle(): Promise<void> {
    while (this.#work.length > 0) await this.#work.shift();
  }
}
