// The console's side of tunnel and pairing, for tests of the relay: a real HTTP and WebSocket server that speaks frames, signs
// with a key of its own and keeps everything it was told. It does what a test tells it and decides nothing.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Command, CommandId, CommandOutcome } from '../../shared/command.ts';
import { GatewayId, RelayNodeId, type Scope, Scope as ScopeSchema } from '../../shared/ids.ts';
import type { InstallationState } from '../../shared/installation.ts';
import type { Observation } from '../../shared/observation.ts';
import { makePairingCode, PairingRequest, type PairingResponse, pairingText } from '../../shared/pairing.ts';
import { SealedSecret, sealContext } from '../../shared/sealed-secret.ts';
import { CLOSE, type EdgeFrame, encodeFrame, helloText, PING, PONG, RelayFrame } from '../../shared/tunnel-frame.ts';

export const SCOPE: Scope = ScopeSchema.parse({ tenantId: 'ten_a', projectId: 'prj_a', jurisdiction: 'default' });
export const GATEWAY = GatewayId.parse('gw_a');
export const NODE = RelayNodeId.parse('nod_a');

type Hello = Extract<RelayFrame, { type: 'hello' }>;

export type FakeEdge = Awaited<ReturnType<typeof startFakeEdge>>;

/** How the edge behaves; a test changes it at any time. */
export type Manners = {
  /** Answers lease requests. */
  grantsLeases: boolean;
  acknowledges: boolean;
  outstanding: CommandId[];
  guards: Extract<EdgeFrame, { type: 'lease' }>['guards'];
  epoch: number;
  /** What is answered to `installation`, by how many were heard before it; null: nothing. */
  installation: ((asked: number) => InstallationState) | null;
  /** Whether a node that asks to leave is closed as revoked. */
  letsGo: boolean;
  /** Of a trial session: whether it is welcomed. */
  welcomesTrials: boolean;
  /** Whether sessions that are no trial are welcomed. */
  welcomes: boolean;
  /** Told to who pairs; null: none. */
  releaseKey: string | null;
  /** What is served under a path: programs of releases. */
  programs: Map<string, (response: ServerResponse) => void>;
};

/** @param tls serves https and wss as `localhost` with this certificate */
export async function startFakeEdge(tls: { cert: string; key: string } | null = null) {
  const signing = await makeKey();
  const manners: Manners = {
    grantsLeases: true,
    acknowledges: true,
    outstanding: [],
    guards: [],
    epoch: 1,
    installation: null,
    letsGo: true,
    welcomesTrials: true,
    welcomes: true,
    releaseKey: null,
    programs: new Map(),
  };
  const heard: { frame: RelayFrame; session: number }[] = [];
  const hellos: Hello[] = [];
  /** Trial sessions, each with the number of the session that was open beside it; null: none was. */
  const trials: { hello: Hello; beside: number | null }[] = [];
  const fetched: string[] = [];
  const closes: number[] = [];
  const wakers = new Set<() => void>();
  let identityKey = '';
  let sealingKey = '';
  let socket: WebSocket | null = null;
  let sessions = 0;
  let seq = 0;
  let pairings = 0;
  const pairedWith: PairingRequest[] = [];

  const answer = (request: IncomingMessage, response: ServerResponse): void => void answerPairing(request, response);
  const server = tls === null ? createServer(answer) : createTlsServer(tls, answer);
  const sockets = new WebSocketServer({ server, path: '/v1/tunnel' });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = tls === null ? `http://127.0.0.1:${portOf(server)}` : `https://localhost:${portOf(server)}`;
  const anotherCode = async () =>
    makePairingCode(crypto.getRandomValues(new Uint8Array(20)), (await sha256(signing.raw)).slice(0, 10));
  const code = await anotherCode();

  const wake = (): void => {
    for (const waker of [...wakers]) waker();
  };
  const send = (frame: EdgeFrame): void => socket?.send(encodeFrame(frame));

  sockets.on('connection', (connected) => {
    const nonce = 'n'.repeat(32);
    connected.send(encodeFrame({ v: 1, type: 'challenge', nonce, origin }));
    connected.on('message', (data) => void take(connected, nonce, data.toString()));
    connected.on('close', (closeCode) => {
      closes.push(closeCode);
      if (socket === connected) socket = null;
      wake();
    });
  });

  async function take(from: WebSocket, nonce: string, text: string): Promise<void> {
    if (text === PING) return from.send(PONG);
    const frame = RelayFrame.parse(JSON.parse(text));
    if (frame.type === 'hello') {
      const isProven = await verify(identityKey, helloText({ nonce, origin }, frame), frame.signature);
      if (!isProven) return from.close(4002, 'bad hello');
      if (frame.trial === true) return takeTrial(from, frame);
      hellos.push(frame);
      wake();
      if (!manners.welcomes) return;
      socket = from;
      sessions += 1;
      seq = 0;
      const sessionId = `s${sessions}`;
      send({ v: 1, type: 'welcome', sessionId, redialSpreadMs: 0, at: Date.now(), outstanding: manners.outstanding });
    } else if (frame.type === 'lease-request' && manners.grantsLeases) {
      send({ v: 1, type: 'lease', epoch: manners.epoch, durationMs: 12_000, guards: manners.guards });
    } else if (frame.type === 'report' && manners.acknowledges) {
      send({ v: 1, type: 'report-ack', commandIds: [frame.commandId] });
    } else if (frame.type === 'observations' && manners.acknowledges) {
      send({ v: 1, type: 'observation-ack', seq: frame.seq });
    } else if (frame.type === 'pairing-code' && manners.acknowledges) {
      send({ v: 1, type: 'pairing-code-ack', codeHash: frame.codeHash });
    } else if (frame.type === 'installation' && manners.installation !== null) {
      const asked = heard.filter((one) => one.frame.type === 'installation').length;
      send({ v: 1, type: 'installation-state', state: manners.installation(asked) });
    } else if (frame.type === 'node-leave' && manners.letsGo) {
      from.close(CLOSE.REVOKED, 'it left');
    }
    heard.push({ frame, session: sessions });
    wake();
  }

  function takeTrial(from: WebSocket, hello: Hello): void {
    trials.push({ hello, beside: socket === null ? null : sessions });
    const welcome = { sessionId: `t${trials.length}`, redialSpreadMs: 0, at: Date.now(), outstanding: [] };
    if (manners.welcomesTrials) from.send(encodeFrame({ v: 1, type: 'welcome', ...welcome }));
    wake();
  }

  async function answerPairing(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const json = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    const program = manners.programs.get(request.url ?? '');
    if (program !== undefined) {
      fetched.push(request.url ?? '');
      wake();
      return program(response);
    }
    if (request.url === '/v1/pairing/challenge') return json(200, { nonce: 'p'.repeat(32), origin });
    if (request.url !== '/v1/pairing') return json(404, {});
    const asked = PairingRequest.parse(JSON.parse(Buffer.concat(chunks).toString()));
    const { signature, ...rest } = asked;
    if (!(await verify(asked.identityKey, pairingText(rest, origin), signature))) return json(422, { code: 'x' });
    pairings += 1;
    pairedWith.push(asked);
    identityKey = asked.identityKey;
    sealingKey = asked.sealingKey;
    json(200, {
      scope: SCOPE,
      gatewayId: GATEWAY,
      gatewayName: 'rack-one',
      nodeId: NODE,
      commandKey: Buffer.from(signing.raw).toString('base64url'),
      tunnelPath: '/v1/tunnel',
      pairedAt: Date.now(),
      ...(manners.releaseKey === null ? {} : { releaseKey: manners.releaseKey }),
    } satisfies PairingResponse);
  }

  /** Resolves with what `look` finds, as soon as it finds it. */
  function until<T>(what: string, look: () => T | null | undefined | false, timeoutMs = 30_000): Promise<T> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const found = look();
        if (found === null || found === undefined || found === false) return;
        end();
        resolve(found);
      };
      const timer = setTimeout(() => {
        end();
        reject(new Error(`waited ${timeoutMs} ms in vain for ${what}; heard ${heard.map(({ frame }) => frame.type)}`));
      }, timeoutMs);
      const end = (): void => {
        clearTimeout(timer);
        wakers.delete(check);
      };
      wakers.add(check);
      check();
    });
  }

  const reportsOf = (commandId: CommandId): CommandOutcome[] =>
    heard.flatMap(({ frame }) => (frame.type === 'report' && frame.commandId === commandId ? [frame.outcome] : []));

  return {
    origin,
    code,
    anotherCode,
    manners,
    hellos,
    trials,
    /** Paths of programs that were asked for. */
    fetched,
    heard,
    closes,
    pairings: () => pairings,
    /** What relays paired with, in order. */
    pairedWith,
    /** A secret for the relay that was paired last. */
    seal: (about: Pick<SealedSecret, 'purpose' | 'recordId' | 'version'>, plain: string) =>
      sealTo(sealingKey, about, plain),
    sessions: () => sessions,
    until,
    reportsOf,
    reportOf: (commandId: CommandId, timeoutMs?: number) =>
      until(`a report of ${commandId}`, () => reportsOf(commandId).at(-1), timeoutMs),
    observations: (): Observation[] =>
      heard.flatMap(({ frame }) => (frame.type === 'observations' ? frame.observations : [])),
    isOpen: () => socket !== null,
    connected: (session: number, timeoutMs?: number) =>
      until(`session ${session}`, () => sessions >= session && socket !== null, timeoutMs),
    send,
    /** @param forge changes what is signed, after signing */
    deliver: async (commands: readonly Command[], forge?: (payload: string) => string) => {
      const content = { gatewayId: GATEWAY, nodeId: NODE, sessionId: `s${sessions}`, seq, at: Date.now(), commands };
      seq += 1;
      const payload = JSON.stringify(content);
      const signature = await signing.sign(payload);
      send({ v: 1, type: 'deliver', payload: forge?.(payload) ?? payload, signature });
    },
    /** Closes the session, as the edge does. */
    closeAll: (closeCode: number) => socket?.close(closeCode, 'closed by the test'),
    /** Cuts the tunnel as a broken network does. */
    cut: () => socket?.terminate(),
    stop: async () => {
      for (const client of sockets.clients) client.terminate();
      sockets.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function sealTo(
  sealingKey: string,
  about: Pick<SealedSecret, 'purpose' | 'recordId' | 'version'>,
  plain: string,
): Promise<SealedSecret> {
  const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const { info, aad } = sealContext(SCOPE, GATEWAY, about);
  const recipientPublicKey = await suite.kem.deserializePublicKey(
    Uint8Array.from(Buffer.from(sealingKey, 'base64url')),
  );
  const sealed = await suite.seal({ recipientPublicKey, info }, new TextEncoder().encode(plain), aad);
  const encode = (bytes: ArrayBuffer): string => Buffer.from(bytes).toString('base64url');
  return SealedSecret.parse({ v: 1, ...about, encapsulatedKey: encode(sealed.enc), ciphertext: encode(sealed.ct) });
}

async function makeKey() {
  const pair = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']);
  if (!('privateKey' in pair)) throw new Error('no key pair');
  const raw = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey));
  const sign = async (text: string): Promise<string> =>
    Buffer.from(await crypto.subtle.sign('Ed25519', pair.privateKey, new TextEncoder().encode(text))).toString(
      'base64url',
    );
  return { raw, sign };
}

async function verify(publicKey: string, text: string, signature: string): Promise<boolean> {
  if (publicKey === '') return false;
  const key = await crypto.subtle.importKey('raw', Buffer.from(publicKey, 'base64url'), 'Ed25519', false, ['verify']);
  return crypto.subtle.verify('Ed25519', key, Buffer.from(signature, 'base64url'), new TextEncoder().encode(text));
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
}

function portOf(server: Server): number {
  const address = server.address();
  return (address as AddressInfo).port; // a TCP server that listens has no other kind of address
}
