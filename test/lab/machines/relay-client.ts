// How a simulated machine talks to the relay's enrolment endpoint: the same requests as the enrolment script's curl, from the
// machine's own address, with the pinned authority and the fixed server name.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ENROLMENT_PATHS, FilledDocument, PROGRAM_DIGEST_HEADER, RELAYS_HEADER } from '../../../shared/enrolment.ts';
import { type Enrolment, readAddresses } from './user-data.ts';

/** As the enrolment script has them: to connect, TLS included, and for each call. A relay that hangs must not be waited for. */
const CONNECT_MS_MAX = 5_000;
const CALL_MS_MAX = {
  [ENROLMENT_PATHS.enrol]: 15_000,
  [ENROLMENT_PATHS.bootstrap]: 120_000,
  [ENROLMENT_PATHS.acknowledge]: 15_000,
  [ENROLMENT_PATHS.report]: 10_000,
  [ENROLMENT_PATHS.program]: 300_000,
} as const;
type Path = keyof typeof CALL_MS_MAX;
const BODY_BYTES_MAX = 4_194_304;
/** A packaged relay is Node and a bundle. */
const PROGRAM_BYTES_MAX = 400_000_000;
const PROGRAM_MODE = 0o755;

export type Turn =
  | { readonly kind: 'document'; readonly document: FilledDocument }
  | { readonly kind: 'wait' }
  | { readonly kind: 'over' };

export type RelayClient = {
  enrol(address: string): Promise<void>;
  /** May take long: the relay holds the request until it is the machine's turn. */
  turn(): Promise<Turn>;
  acknowledge(): Promise<void>;
  report(report: {
    step: string;
    outcome: string;
    attempt: number;
    exitCode: number | null;
    log: string;
  }): Promise<void>;
  /** Writes the relay's own program, as the one at `from` offers it, into `file`. */
  program(from: Address, file: string): Promise<Program>;
};

type Address = { readonly host: string; readonly port: number };
/** A relay that runs from its sources offers a bundle, which is run by Node. */
export type Program = {
  /** Of what was written. */
  readonly sha256: string;
  /** As the relay says it; empty when it does not. */
  readonly announced: string;
  readonly kind: 'javascript' | 'executable';
};

/** Every call throws when no relay answers it well: the caller tries again later, as the script does. */
export function relayClient(enrolment: Enrolment, localAddress: string, signal: AbortSignal): RelayClient {
  const who = { claim: enrolment.claim, systemId: enrolment.systemId };
  let heard: Enrolment['relays'] = [];
  const call = async (method: string, path: Path, body?: object): Promise<Answer> => {
    const relays = distinct([...heard, ...enrolment.relays], localAddress);
    const answer = await firstAnswer({ ...enrolment, relays }, localAddress, signal, method, path, body);
    if (answer.relays !== '') heard = readAddresses(answer.relays);
    return answer;
  };
  return {
    enrol: async (address) => {
      await done(call('POST', ENROLMENT_PATHS.enrol, { ...who, interfaces: [{ name: 'eth0', address }] }));
    },
    turn: async () => {
      const answer = await call('GET', ENROLMENT_PATHS.bootstrap);
      if (answer.status === 204) return { kind: 'wait' };
      if (answer.status === 410) return { kind: 'over' };
      if (answer.status !== 200) throw new Error(`the relay answers ${answer.status}: ${answer.body.slice(0, 200)}`);
      return { kind: 'document', document: FilledDocument.parse(JSON.parse(answer.body)) };
    },
    acknowledge: async () => {
      await done(call('POST', ENROLMENT_PATHS.acknowledge, who));
    },
    report: async (report) => {
      await done(call('POST', ENROLMENT_PATHS.report, { ...who, ...report }));
    },
    program: (from, file) => download(enrolment, from, localAddress, signal, file),
  };
}

/** An address of the machine's own leads to no other relay, and is taken only for want of any. */
function distinct(relays: Enrolment['relays'], own: string): Enrolment['relays'] {
  const all = [...new Map(relays.map((relay) => [`${relay.host}:${relay.port}`, relay])).values()];
  const others = all.filter(({ host }) => host !== own);
  return others.length > 0 ? others : all;
}

async function download(
  enrolment: Enrolment,
  from: Address,
  localAddress: string,
  signal: AbortSignal,
  file: string,
): Promise<Program> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request(requestOptions(enrolment, from, localAddress, signal, 'GET', ENROLMENT_PATHS.program));
    limitConnecting(outgoing);
    outgoing.on('response', resolve);
    outgoing.on('error', reject);
    outgoing.end();
  });
  if (response.statusCode !== 200) {
    response.resume();
    throw new Error(`the relay answers ${response.statusCode} when asked for its program`);
  }
  const hash = createHash('sha256');
  let length = 0;
  const measured = new Transform({
    transform: (part: Buffer, _encoding, next) => {
      hash.update(part);
      length += part.length;
      next(length > PROGRAM_BYTES_MAX ? new Error('the program is too large') : null, part);
    },
  });
  await pipeline(response, measured, createWriteStream(file, { mode: PROGRAM_MODE }));
  const kind = response.headers['x-slipway-program'] === 'javascript' ? 'javascript' : 'executable';
  const announced = String(response.headers[PROGRAM_DIGEST_HEADER] ?? '');
  return { sha256: hash.digest('hex'), announced, kind };
}

/** `relays`: what it says of where the gateway's relays are now. */
type Answer = { readonly status: number; readonly body: string; readonly relays: string };

async function done(answered: Promise<Answer>): Promise<void> {
  const answer = await answered;
  // 410: somebody else's document or a token that has ended; asking again changes nothing.
  if (answer.status >= 300 && answer.status !== 410)
    throw new Error(`the relay answers ${answer.status}: ${answer.body.slice(0, 200)}`);
}

async function firstAnswer(
  enrolment: Enrolment,
  localAddress: string,
  signal: AbortSignal,
  method: string,
  path: Path,
  body?: object,
): Promise<Answer> {
  let last: unknown = new Error('user-data names no relay');
  for (const relay of enrolment.relays) {
    try {
      return await ask(enrolment, relay, localAddress, signal, method, path, body);
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

function ask(
  enrolment: Enrolment,
  relay: { host: string; port: number },
  localAddress: string,
  signal: AbortSignal,
  method: string,
  path: Path,
  body: object | undefined,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(requestOptions(enrolment, relay, localAddress, signal, method, path, body), (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > BODY_BYTES_MAX) outgoing.destroy(new Error('the answer is too large'));
      });
      const relays = String(response.headers[RELAYS_HEADER] ?? '');
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text, relays }));
      response.on('error', reject);
    });
    limitConnecting(outgoing);
    outgoing.on('error', reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** A stopped process still has its port: the kernel answers for it, and nobody after that. */
function limitConnecting(outgoing: ClientRequest): void {
  const late = setTimeout(() => outgoing.destroy(new Error('connecting took too long')), CONNECT_MS_MAX);
  outgoing.on('close', () => clearTimeout(late));
  outgoing.on('socket', (socket) => socket.on('secureConnect', () => clearTimeout(late)));
}

function requestOptions(
  enrolment: Enrolment,
  to: Address,
  localAddress: string,
  signal: AbortSignal,
  method: string,
  path: Path,
  body?: object,
): RequestOptions {
  return {
    host: to.host,
    port: to.port,
    servername: enrolment.serverName,
    ca: enrolment.caPem,
    localAddress,
    method,
    path,
    agent: false,
    signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_MS_MAX[path])]),
    headers: {
      host: enrolment.serverName,
      authorization: enrolment.authorization,
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
  };
}
