// A started stand-in with the people, nodes and pods that the recordings speak of, and a plain client to ask it with.
import { request as httpsRequest } from 'node:https';
import { bookedTo } from '../lab/kubernetes/apply.ts';
import { createAuthorityPems, issueKeyPair, loadAuthority } from '../lab/kubernetes/certificate-authority.ts';
import type { Json, JsonObject } from '../lab/kubernetes/json.ts';
import { grow } from '../lab/kubernetes/json.ts';
import type { KubernetesApi, KubernetesApiOptions } from '../lab/kubernetes/kubernetes-api.ts';
import { startKubernetesApi } from '../lab/kubernetes/kubernetes-api.ts';
import { defaultPodSpec } from '../lab/kubernetes/pod-object.ts';
import { NAMESPACES, PODS } from '../lab/kubernetes/resources.ts';

export type KeyPair = { readonly certPem: string; readonly keyPem: string };
export type Who = KeyPair | { readonly token: string } | undefined;
export type Reply = {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
  readonly headers: Record<string, string | string[] | undefined>;
};
export type Ask = { method: string; path: string; who?: Who; headers?: Record<string, string>; body?: string };

const ASK_TIMEOUT_MS = 8_000;

export type PlayedCluster = {
  readonly api: KubernetesApi;
  readonly caPem: string;
  readonly people: { readonly admin: KeyPair; readonly bob: KeyPair; readonly relay: KeyPair; readonly alien: KeyPair };
  ask(ask: Ask): Promise<Reply>;
  /** Asks as admin with JSON and gives the parsed body; fails the test on anything but 2xx. */
  ok(method: string, path: string, body?: Json, contentType?: string): Promise<JsonObject>;
  /** Puts a pod there as if it ran. */
  addPod(name: string, more?: { node?: string; owner?: string; labels?: JsonObject; namespace?: string }): void;
};

function ask(port: number, caPem: string, { method, path, who, headers = {}, body }: Ask): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const token = who !== undefined && 'token' in who ? { authorization: `Bearer ${who.token}` } : {};
    const pair = who !== undefined && 'certPem' in who ? { cert: who.certPem, key: who.keyPem } : {};
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const options = {
      host: '127.0.0.1',
      port,
      method,
      path,
      ca: caPem,
      ...pair,
      agent: false,
      headers: { ...headers, ...token, ...length },
    };
    const sent = httpsRequest(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          contentType: response.headers['content-type'] ?? '',
          text: Buffer.concat(chunks).toString('utf8'),
          headers: response.headers,
        }),
      );
    });
    sent.setTimeout(ASK_TIMEOUT_MS, () => sent.destroy(new Error('no answer in time')));
    sent.on('error', reject);
    sent.end(body);
  });
}

export function asJson(text: string): Json {
  const parsed: Json = JSON.parse(text);
  return parsed;
}

/** Starts one on a free port of the loopback. Close its `api` when done. */
export async function playCluster(options: Partial<KubernetesApiOptions> = {}, nodes = true): Promise<PlayedCluster> {
  const ca = options.ca ?? (await createAuthorityPems());
  const api = await startKubernetesApi({
    address: '127.0.0.1',
    port: 0,
    ca,
    serverSans: [],
    kubernetesVersion: 'v1.36.2',
    bootstrapTokens: [{ token: 'abcdef.0123456789abcdef', expiresAtMs: Date.now() + 3_600_000 }],
    ...options,
  });
  const alienAuthority = await loadAuthority(await createAuthorityPems('somebody else'));
  const people = {
    admin: await api.clientCertificate('kubernetes-super-admin', ['system:masters']),
    bob: await api.clientCertificate('bob', ['team-a']),
    relay: await api.clientCertificate('relay', ['relay-ops']),
    alien: await issueKeyPair(alienAuthority, {
      commonName: 'mallory',
      organisations: ['system:masters'],
      usage: 'client',
    }),
  };
  if (nodes) {
    const rec: JsonObject = {
      kind: 'Namespace',
      apiVersion: 'v1',
      metadata: { name: 'rec', labels: { 'kubernetes.io/metadata.name': 'rec' } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    };
    api.cluster.store.create(NAMESPACES, bookedTo('recorder', rec, new Date().toISOString()));
    for (const [name, last] of [
      ['cp1', 21],
      ['cp2', 22],
      ['cp3', 23],
      ['w1', 31],
    ] as const) {
      const role = name.startsWith('cp') ? 'control-plane' : 'worker';
      api.registerNode({
        name,
        role,
        internalIp: `10.88.0.${last}`,
        providerId: `maas:///default/sys${last}`,
        cniConfigured: true,
      });
    }
  }
  const asked = (question: Ask): Promise<Reply> => ask(api.port, ca.certPem, question);
  return {
    api,
    caPem: ca.certPem,
    people,
    ask: asked,
    ok: async (method, path, body, contentType = 'application/json') => {
      const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
      const reply = await asked({
        method,
        path,
        who: people.admin,
        headers: { 'content-type': contentType },
        ...(text === undefined ? {} : { body: text }),
      });
      if (reply.status >= 300) throw new Error(`${method} ${path} answered ${reply.status} ${reply.text}`);
      const parsed = asJson(reply.text);
      return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? parsed : {};
    },
    addPod: (name, { node = 'w1', owner = 'ReplicaSet', labels = { app: 'web' }, namespace = 'rec' } = {}) => {
      const pod: JsonObject = {
        kind: 'Pod',
        apiVersion: 'v1',
        metadata: {
          name,
          namespace,
          generation: 1,
          generateName: name.replace(/[^-]+$/, ''),
          labels,
          ownerReferences: [
            { apiVersion: 'apps/v1', kind: owner, name: 'web', uid: 'u', controller: true, blockOwnerDeletion: true },
          ],
          managedFields: [],
        },
        spec: {
          containers: [{ name: 'pause', image: 'pause:3.10.2', resources: {} }],
          nodeName: node,
          terminationGracePeriodSeconds: 2,
        },
        status: { phase: 'Pending', qosClass: 'BestEffort' },
      };
      // An owner the collector does not know lets the pod stand alone.
      if (owner === 'ReplicaSet')
        grow(pod, 'metadata').ownerReferences = [
          {
            apiVersion: 'apps/v1',
            kind: 'Recorded',
            name: 'web',
            uid: 'u',
            controller: true,
            blockOwnerDeletion: true,
          },
        ];
      defaultPodSpec(grow(pod, 'spec'), false);
      api.cluster.store.create(PODS, pod);
    },
  };
}

/** Waits until a question is answered yes; fails after the time given. For what controllers do by themselves. */
export async function until(question: () => boolean | Promise<boolean>, withinMs = 5_000): Promise<void> {
  const end = Date.now() + withinMs;
  while (!(await question())) {
    if (Date.now() > end) throw new Error(`did not happen within ${withinMs} ms: ${question.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
