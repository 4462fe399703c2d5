// What these tests share: a relay's ports with a disk in memory, a command's context, and one enrolment endpoint on loopback.
import { createSecretKey } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { createNodePorts } from '../../relay/adapters/node-ports.ts';
import { renderUserData } from '../../relay/bootstrap/render-user-data.ts';
import type { CommandContext } from '../../relay/commands/handler.ts';
import { serverNameOf } from '../../relay/enrolment/authority-number.ts';
import { createCertificates } from '../../relay/enrolment/certificates.ts';
import { createEndpoint } from '../../relay/enrolment/endpoint.ts';
import { formerAuthority, makeEnrolmentAuthority } from '../../relay/enrolment/endpoint-certificate.ts';
import { type Ledger, openLedger } from '../../relay/enrolment/ledger.ts';
import type { RelayOffer } from '../../relay/enrolment/relay-offer.ts';
import { serveEnrolment } from '../../relay/enrolment/serve.ts';
import type { SiteSlots } from '../../relay/enrolment/site-slots.ts';
import { makeToken } from '../../relay/enrolment/token.ts';
import { createTurns, type Turns } from '../../relay/enrolment/turns.ts';
import type { KubernetesApi } from '../../relay/kubernetes/kubernetes-api.ts';
import { createLog } from '../../relay/log.ts';
import type { Clock, Disk, Ports } from '../../relay/ports.ts';
import { Claim } from '../../shared/claim.ts';
import { Command, type CommandBody } from '../../shared/command.ts';
import { SystemId } from '../../shared/ids.ts';
import type { ClusterFact } from '../../shared/observation.ts';
import { err, ok } from '../../shared/result.ts';
import type { SealedSecret } from '../../shared/sealed-secret.ts';

export const CLAIM = Claim.parse('slipway/gw_1/clu_1/workers-0/1');
export const SYSTEM_ID = SystemId.parse('abc123');
export const KEY = createSecretKey(Buffer.from('enrolment key of the tests')).export();

export const realPorts = (): Ports => createNodePorts(() => {});
export const logTo = (lines: string[]) =>
  createLog(
    (line) => lines.push(line),
    () => '',
    'debug',
    {},
  );

export function memoryDisk(files = new Map<string, Uint8Array>()): Disk {
  return {
    read: async (name) => ok(files.get(name) ?? null),
    append: async (name, bytes) => {
      files.set(name, Buffer.concat([files.get(name) ?? Buffer.alloc(0), bytes]));
      return ok(null);
    },
    replace: async (name, bytes) => {
      files.set(name, bytes);
      return ok(null);
    },
    truncate: async () => err({ code: 'broken', detail: 'not used' }),
  };
}

/** Sealing here is base64: what is tested is who seals what, not HPKE. */
export function contextFor(
  body: CommandBody,
  ports: Ports,
  signal: CommandContext['signal'] = new AbortController().signal,
): CommandContext & {
  readonly facts: ClusterFact[];
  readonly intents: string[];
} {
  const facts: ClusterFact[] = [];
  const intents: string[] = [];
  return {
    facts,
    intents,
    command: Command.parse({
      commandId: `clu_1/cluster/${body.verb}/1/0`,
      scope: { tenantId: 'ten_1', projectId: 'prj_1', jurisdiction: 'default' },
      gatewayId: 'gw_1',
      clusterId: 'clu_1',
      subject: 'cluster',
      generation: 1,
      attempt: 0,
      deadlineAt: Date.now() + 60_000,
      body,
    }),
    ports,
    log: logTo([]),
    signal,
    openSecret: async (sealed) =>
      sealed.ciphertext === 'another-gateways'
        ? err({ code: 'SECRET_UNREADABLE', detail: 'sealed to another' })
        : ok(Buffer.from(sealed.ciphertext, 'base64url')),
    sealSecret: async (plain, about) => sealedFor(plain, about),
    maas: async () => err({ code: 'RELAY_BUG', detail: 'no MAAS here' }),
    fence: () => ok(null),
    beforeChange: async (intent) => {
      intents.push(intent);
      return ok(null);
    },
    late: { unanswered: () => {}, took: () => {} },
    emit: (fact) => facts.push(fact),
  };
}

export function sealedFor(
  plain: Uint8Array,
  about: Pick<SealedSecret, 'purpose' | 'recordId' | 'version'>,
): SealedSecret {
  return { v: 1, ...about, encapsulatedKey: 'x', ciphertext: Buffer.from(plain).toString('base64url') };
}

const notPlayed = (): never => {
  throw new Error('this call is not played here');
};

/** A Kubernetes API of which only `part` may be called. */
export function playKubernetes(part: Partial<KubernetesApi>): KubernetesApi {
  return {
    readiness: notPlayed,
    listNodes: notPlayed,
    watchNodes: notPlayed,
    readNode: notPlayed,
    cordonNode: notPlayed,
    deleteNode: notPlayed,
    listPodsOn: notPlayed,
    evictPod: notPlayed,
    readConfigMap: notPlayed,
    changeConfigMap: notPlayed,
    createJoinToken: notPlayed,
    apply: notPlayed,
    close: async () => {},
    ...part,
  };
}

export type EnrolmentBench = {
  readonly port: number;
  readonly turns: Turns;
  readonly ledger: Ledger;
  readonly userDataFor: (order: Parameters<typeof makeToken>[1]) => string;
  readonly close: () => Promise<void>;
  readonly facts: ClusterFact[];
  readonly logLines: string[];
  readonly files: Map<string, Uint8Array>;
};

/** The endpoint as the relay puts it together, on loopback, with its disk in `files`. */
export async function startBench(
  given: {
    readonly files?: Map<string, Uint8Array>;
    readonly host?: string;
    /** Number of the authority that machines pin here. */
    readonly authority?: number;
    /** For certificates only. */
    readonly clock?: Clock;
    readonly port?: number;
    readonly relays?: () => readonly string[];
    readonly addresses?: readonly string[] | null;
    readonly isActive?: boolean;
    readonly offer?: RelayOffer;
    readonly site?: SiteSlots;
  } = {},
): Promise<EnrolmentBench> {
  const files = given.files ?? new Map<string, Uint8Array>();
  const facts: ClusterFact[] = [];
  const logLines: string[] = [];
  const [ports, disk, log] = [realPorts(), memoryDisk(files), logTo(logLines)];
  const before = await formerAuthority(disk);
  const authority = (before.ok ? before.value : null) ?? (await makeEnrolmentAuthority(ports.clock.now()));
  const number = given.authority ?? 0;
  const clock = given.clock ?? ports.clock;
  const certificates = createCertificates({ disk, clock, log, key: { authority, enrolmentKey: KEY }, number });
  const ledger = await openLedger(disk, ports.clock, log);
  const turns = createTurns(ports.timers);
  const endpoint = createEndpoint({
    key: KEY,
    ledger,
    turns,
    ports,
    log,
    emit: (_cluster, fact) => facts.push(fact),
    addressesOf: () => given.addresses ?? null,
    holdMs: () => (given.isActive === false ? 0 : 20_000),
    ...(given.relays === undefined ? {} : { relays: given.relays }),
    ...(given.offer === undefined ? {} : { offer: given.offer }),
    ...(given.site === undefined ? {} : { site: given.site }),
  });
  const { endpoint: certificate } = await certificates.under(0);
  const { authorityPem } = await certificates.under(number);
  const host = given.host ?? '127.0.0.1';
  const listen = { host, port: given.port ?? 0, certificate, certificateFor: certificates.named, log };
  const server = await serveEnrolment(listen, endpoint);
  if (!server.ok) throw new Error(server.error.detail);
  const { port, close } = server.value;
  return {
    port,
    turns,
    ledger,
    userDataFor: (order) =>
      renderUserData({
        ...order,
        relayAddresses: [{ host, port }],
        enrolmentCaPem: authorityPem,
        serverName: serverNameOf(number),
        token: makeToken(KEY, order),
      }),
    close,
    facts,
    logLines,
    files,
  };
}

export type Reply = { readonly status: number; readonly text: string; readonly headers: IncomingHttpHeaders };

/** One request as a machine makes it: pinned authority, fixed server name, its own source address. */
export function speak(
  bench: EnrolmentBench,
  method: string,
  path: string,
  given: { token?: string; body?: unknown; json?: boolean; from?: string } = {},
): Promise<Reply> {
  const tls: { authority: { certPem: string } } = JSON.parse(
    Buffer.from(bench.files.get('enrolment-tls.json') ?? '').toString(),
  );
  const body = given.body === undefined ? undefined : JSON.stringify(given.body);
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: bench.port,
        servername: serverNameOf(0),
        ca: tls.authority.certPem,
        localAddress: given.from ?? '127.0.0.1',
        method,
        path,
        timeout: 30_000,
        headers: {
          ...(given.token === undefined ? {} : { authorization: `Bearer ${given.token}` }),
          ...(given.json ? { accept: 'application/json' } : {}),
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}
