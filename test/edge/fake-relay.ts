// A relay as the edge meets it: real keys, real frames over a real WebSocket from the Worker. It does nothing by itself; the
// test says what it answers.
import { env, exports } from 'cloudflare:workers';
import { type Env, gatewayOf } from '../../functions/env.ts';
import type { GatewayRpc } from '../../functions/objects/rpc.ts';
import { fromBase64url, toBase64url } from '../../functions/sign-command.ts';
import { GatewayId, type RelayNodeId } from '../../shared/ids.ts';
import { type PairingRequest, pairingText } from '../../shared/pairing.ts';
import {
  DeliverPayload,
  EdgeFrame,
  encodeFrame,
  helloText,
  PROTOCOL_VERSION,
  type RelayFrame,
} from '../../shared/tunnel-frame.ts';
import { SCOPE } from '../storage/command-samples.ts';

export const ORIGIN = 'https://slipway.test';
const FRAME_MS_MAX = 4_000;

export type Keys = { readonly identityKey: string; readonly sealingKey: string; sign(text: string): Promise<string> };
export type Node = Keys & {
  readonly gatewayId: GatewayId;
  readonly nodeId: RelayNodeId;
  readonly commandKey: string;
  readonly tunnelPath: string;
};
type FrameOf<T extends EdgeFrame['type']> = Extract<EdgeFrame, { type: T }>;
type Body<F> = F extends unknown ? Omit<F, 'v'> : never;

export const edgeEnv: Env = env;

export function gatewayAt(id: string): GatewayRpc {
  return gatewayOf(edgeEnv, SCOPE, GatewayId.parse(id));
}

export async function sha256(text: string): Promise<string> {
  return toBase64url(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))));
}

export async function makeKeys(): Promise<Keys> {
  const pair = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']);
  const sealing = await crypto.subtle.generateKey('X25519', true, ['deriveBits']);
  if (!('privateKey' in pair) || !('privateKey' in sealing)) throw new Error('no key pair');
  return {
    identityKey: await rawKey(pair.publicKey),
    sealingKey: await rawKey(sealing.publicKey),
    sign: async (text) =>
      toBase64url(new Uint8Array(await crypto.subtle.sign('Ed25519', pair.privateKey, new TextEncoder().encode(text)))),
  };
}

/** A gateway with one pairing code, whose hash is that of the gateway's id. */
export async function makeGateway(id: string): Promise<string> {
  const codeHash = await sha256(`code of ${id}`);
  const gatewayId = GatewayId.parse(id);
  await gatewayAt(id).create({
    scope: SCOPE,
    gatewayId,
    name: id.replace('_', '-'),
    codeHash,
    codeExpiresAt: Date.now() + 60_000,
  });
  return codeHash;
}

export async function pairingRequest(keys: Keys, codeHash: string, nonce: string): Promise<PairingRequest> {
  const { identityKey, sealingKey } = keys;
  const request = { codeHash, nonce, identityKey, sealingKey, hostname: 'relay-1', relayVersion: '0.1.0' };
  return { ...request, signature: await keys.sign(pairingText(request, ORIGIN)) };
}

export async function pairNode(id: string, codeHash: string, keys?: Keys): Promise<Node> {
  const own = keys ?? (await makeKeys());
  const challenge = await gatewayAt(id).pairingChallenge(codeHash, ORIGIN);
  if (!challenge.ok) throw new Error(challenge.error.code);
  const paired = await gatewayAt(id).pair(await pairingRequest(own, codeHash, challenge.value.nonce), ORIGIN);
  if (!paired.ok) throw new Error(`${paired.error.code}: ${paired.error.detail}`);
  const { gatewayId, nodeId, commandKey, tunnelPath } = paired.value;
  return { ...own, gatewayId, nodeId, commandKey, tunnelPath };
}

export async function makeNode(id: string): Promise<Node> {
  return pairNode(id, await makeGateway(id));
}

/** A second node that has the gateway's sealing key too. */
export async function addNode(id: string, first: Node): Promise<Node> {
  const codeHash = await sha256(`another code of ${id}`);
  await gatewayAt(id).renewPairingCode(codeHash, Date.now() + 60_000);
  return pairNode(id, codeHash, { ...(await makeKeys()), sealingKey: first.sealingKey });
}

export class FakeRelay {
  readonly #socket: WebSocket;
  readonly #frames: EdgeFrame[] = [];
  readonly texts: string[] = [];
  #wake: () => void = () => undefined;
  closed: { readonly code: number; readonly reason: string } | null = null;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      if (typeof data !== 'string') throw new Error('the edge sent bytes');
      if (data.startsWith('{')) this.#frames.push(EdgeFrame.parse(JSON.parse(data)));
      else this.texts.push(data);
      this.#wake();
    });
    socket.addEventListener('close', ({ code, reason }) => {
      this.closed = { code, reason };
      this.#wake();
    });
    socket.accept();
  }

  /** Dials as the Worker is dialled; says nothing yet. */
  static async dial(tunnelPath: string): Promise<FakeRelay> {
    const response = await exports.default.fetch(`${ORIGIN}${tunnelPath}`, { headers: { upgrade: 'websocket' } });
    if (response.webSocket === null) throw new Error(`no socket: ${response.status} ${await response.text()}`);
    return new FakeRelay(response.webSocket);
  }

  /** Dials and says hello; the welcome is left to be read. */
  static async join(node: Node, joinCounter: number, bootId = 'boot-1'): Promise<FakeRelay> {
    const relay = await FakeRelay.dial(node.tunnelPath);
    await relay.hello(node, joinCounter, bootId);
    return relay;
  }

  async hello(
    node: Node,
    joinCounter: number,
    bootId = 'boot-1',
    changes: Partial<{ origin: string; relayVersion: string }> = {},
  ): Promise<void> {
    const { relayVersion = '0.1.0', ...other } = changes;
    const challenge = { ...(await this.next('challenge')), ...other };
    const { gatewayId, nodeId } = node;
    const hello = { gatewayId, nodeId, bootId, joinCounter, relayVersion };
    this.send({ type: 'hello', ...hello, signature: await node.sign(helloText(challenge, hello)) });
  }

  send(frame: Body<RelayFrame>): void {
    this.sendText(encodeFrame({ v: PROTOCOL_VERSION, ...frame }));
  }

  sendText(text: string): void {
    this.#socket.send(text);
  }

  /** Closes from this side, as a relay that goes down does. */
  hangUp(): void {
    this.#socket.close(1000, 'bye');
  }

  /** The next frame of this type that was not read yet. */
  async next<T extends EdgeFrame['type']>(type: T): Promise<FrameOf<T>> {
    return this.#until(`a ${type} frame`, () => this.#take(type));
  }

  /** The next deliver frame, proven to be signed by the key that pairing pinned (T6). */
  async delivered(node: Node): Promise<DeliverPayload> {
    const { payload, signature } = await this.next('deliver');
    const key = await crypto.subtle.importKey('raw', fromBase64url(node.commandKey), 'Ed25519', false, ['verify']);
    const fits = await crypto.subtle.verify(
      'Ed25519',
      key,
      fromBase64url(signature),
      new TextEncoder().encode(payload),
    );
    if (!fits) throw new Error('the deliver frame is not signed by the command key');
    return DeliverPayload.parse(JSON.parse(payload));
  }

  /** Deliver frames until this many commands have come. */
  async commands(node: Node, count: number): Promise<DeliverPayload['commands']> {
    const commands: DeliverPayload['commands'] = [];
    while (commands.length < count) commands.push(...(await this.delivered(node)).commands);
    return commands;
  }

  async closing(): Promise<number> {
    return this.#until('the close', () => this.closed?.code ?? null);
  }

  /** Frames of this type that have come and were not read. */
  unread(type: EdgeFrame['type']): number {
    return this.#frames.filter((frame) => frame.type === type).length;
  }

  #take<T extends EdgeFrame['type']>(type: T): FrameOf<T> | null {
    const at = this.#frames.findIndex((frame) => frame.type === type);
    const isWanted = (frame: EdgeFrame | undefined): frame is FrameOf<T> => frame?.type === type;
    const frame = at === -1 ? undefined : this.#frames.splice(at, 1)[0];
    return isWanted(frame) ? frame : null;
  }

  async #until<T>(what: string, look: () => T | null): Promise<T> {
    const until = performance.now() + FRAME_MS_MAX;
    for (;;) {
      const found = look();
      if (found !== null) return found;
      const left = until - performance.now();
      const seen = this.closed === null ? '' : `; closed with ${this.closed.code} ${this.closed.reason}`;
      if (left <= 0) throw new Error(`${what} did not come${seen}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, Math.min(left, 100));
      });
    }
  }
}

async function rawKey(key: CryptoKey): Promise<string> {
  const raw = await crypto.subtle.exportKey('raw', key);
  if (!(raw instanceof ArrayBuffer)) throw new Error('not a raw key');
  return toBase64url(new Uint8Array(raw));
}

/** A paired node with a session that is welcomed. */
export async function joined(id: string): Promise<{ node: Node; relay: FakeRelay }> {
  const node = await makeNode(id);
  const relay = await FakeRelay.join(node, 1);
  await relay.next('welcome');
  return { node, relay };
}
