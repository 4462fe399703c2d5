// How each recorded exchange is put to the stand-in: what was there before, what happens meanwhile, and what in the
// request was particular to the real cluster. Steps run in order, a fresh cluster for each group.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { Json, JsonObject } from '../lab/kubernetes/json.ts';
import { isObject, object, text } from '../lab/kubernetes/json.ts';
import { NODES, PODS } from '../lab/kubernetes/resources.ts';
import type { PlayedCluster, Who } from './played-cluster.ts';
import { asJson, until } from './played-cluster.ts';
import type { Answered, Recording } from './recording.ts';

export type Step = {
  readonly name: string;
  before?(lab: PlayedCluster): Promise<unknown> | unknown;
  /** Runs while a watch is open. */
  during?(lab: PlayedCluster): Promise<unknown> | unknown;
  query?(lab: PlayedCluster): Record<string, string>;
  token?(lab: PlayedCluster): string;
  body?(lab: PlayedCluster, recorded: Json): Promise<Json> | Json;
};

function credentialOf(lab: PlayedCluster, recording: Recording, step: Step): Who {
  const told = recording.request.credential ?? '';
  if (told.startsWith('none')) return undefined;
  if (told === 'bearer token') return { token: step.token?.(lab) ?? 'garbage' };
  if (told.includes('CN=bob')) return lab.people.bob;
  if (told.includes('unknown CA')) return lab.people.alien;
  return told.includes('just signed') ? lab.people.relay : lab.people.admin;
}

function queryOf(lab: PlayedCluster, recording: Recording, step: Step): string {
  const { query } = recording.request;
  if (typeof query === 'string' && query !== '') return `?${query}`;
  const all = new URLSearchParams({ ...(typeof query === 'string' ? {} : query), ...step.query?.(lab) });
  // A quiet second is as good as the recorder's many.
  if (all.has('timeoutSeconds')) all.set('timeoutSeconds', '1');
  return all.size === 0 ? '' : `?${all.toString()}`;
}

function parsed(recording: Recording, answer: string, isWatch: boolean): Json {
  if (!isWatch) return answer.startsWith('{') ? asJson(answer) : answer;
  const lines = answer.split('\n').filter((line) => line !== '');
  return recording.response.status === 200 || Array.isArray(recording.response.body)
    ? lines.map(asJson)
    : asJson(answer);
}

/** Puts one recorded request to the stand-in. */
export async function replay(lab: PlayedCluster, recording: Recording, step: Step): Promise<Answered> {
  await step.before?.(lab);
  const { request } = recording;
  const wanted = step.body === undefined ? request.body : await step.body(lab, request.body ?? null);
  const body =
    wanted === undefined || wanted === null ? undefined : typeof wanted === 'string' ? wanted : JSON.stringify(wanted);
  const headers: Record<string, string> = { 'user-agent': 'kubernetes-client-recorder/1', ...request.headers };
  for (const name of Object.keys(headers)) if (name.toLowerCase() === 'authorization') delete headers[name];
  const path = `${request.path}${queryOf(lab, recording, step)}`;
  const isWatch = path.includes('watch=true');
  const asked = lab.ask({
    method: request.method,
    path,
    who: credentialOf(lab, recording, step),
    headers,
    ...(body === undefined ? {} : { body }),
  });
  if (step.during !== undefined) await step.during(lab);
  const reply = await asked;
  return { status: reply.status, contentType: reply.contentType, body: parsed(recording, reply.text, isWatch) };
}

/** A certificate request in base64 PEM, as spec.request carries it. */
export async function signingRequest(commonName: string, organisation: string): Promise<string> {
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: `O=${organisation}, CN=${commonName}`,
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  });
  return Buffer.from(request.toString('pem')).toString('base64');
}

const withRequest =
  (organisation: string) =>
  async (_lab: PlayedCluster, recorded: Json): Promise<Json> => {
    const body = object(recorded);
    return { ...body, spec: { ...object(body, 'spec'), request: await signingRequest('relay', organisation) } };
  };

const configMap = (name: string, more: JsonObject = {}): JsonObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...object(more, 'metadata') },
  ...Object.fromEntries(Object.entries(more).filter(([key]) => key !== 'metadata')),
});
const put =
  (name: string, more: JsonObject = {}) =>
  (lab: PlayedCluster) =>
    lab.ok('POST', '/api/v1/namespaces/rec/configmaps', configMap(name, more));
const big = (bytes: number) => (): Json => configMap('big', { data: { x: 'x'.repeat(bytes) } });
const pages = async (lab: PlayedCluster): Promise<void> => {
  for (let i = 0; i < 5; i += 1)
    await put(`page-${i}`, { metadata: { labels: { page: 'yes' } }, data: { i: String(i) } })(lab);
};
const page =
  (start: string) =>
  (lab: PlayedCluster): Record<string, string> => ({
    continue: Buffer.from(
      JSON.stringify({ v: 'meta.k8s.io/v1', rv: lab.api.cluster.store.version(), start: `/${start}\u0000` }),
    ).toString('base64url'),
  });
const now = (lab: PlayedCluster): Record<string, string> => ({
  resourceVersion: String(lab.api.cluster.store.version()),
});
const compact = (lab: PlayedCluster): void => {
  lab.api.cluster.store.skipVersions(50);
  lab.api.cluster.store.compact();
};
const merge = 'application/merge-patch+json';
const fakeNode = async (lab: PlayedCluster): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, 150));
  await lab.ok('POST', '/api/v1/nodes', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'fake', labels: { x: 'y' } },
  });
  await until(() =>
    lab.api.cluster.store
      .all(NODES)
      .some(
        (node) =>
          text(node, 'metadata', 'name') === 'fake' &&
          node.spec !== undefined &&
          isObject(node.spec) &&
          node.spec.podCIDR !== undefined &&
          node.spec.taints === undefined,
      ),
  );
  await lab.ok('DELETE', '/api/v1/nodes/fake');
};
const cordonTwice = async (lab: PlayedCluster): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, 150));
  for (const unschedulable of [true, false]) {
    await lab.ok('PATCH', '/api/v1/nodes/w1', { spec: { unschedulable: unschedulable ? true : null } }, merge);
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
};
const W2 = { name: 'w2', role: 'worker', internalIp: '10.88.0.52', providerId: 'maas:///default/sys52' } as const;
const joinWithoutNetwork = (lab: PlayedCluster) => {
  lab.api.registerNode(W2);
  return until(() => lab.api.listNodes().some((node) => node.name === 'w2' && node.ready === 'False'));
};
const budget =
  (name: string, minAvailable: number, app = 'web') =>
  (lab: PlayedCluster) =>
    lab.ok('POST', '/apis/policy/v1/namespaces/rec/poddisruptionbudgets', {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name },
      spec: { minAvailable, selector: { matchLabels: { app } } },
    });
const pods =
  (...names: string[]) =>
  async (lab: PlayedCluster): Promise<void> => {
    for (const name of names) lab.addPod(`web-65d874cb6d-${name}`);
    await until(
      async () =>
        (await lab.ok('GET', '/api/v1/namespaces/rec/pods')).items !== undefined &&
        lab.api.cluster.store
          .all(PODS)
          .every((pod) => text(pod, 'spec', 'nodeName') === '' || text(pod, 'status', 'phase') !== 'Pending'),
    );
  };

export {
  big,
  budget,
  compact,
  configMap,
  cordonTwice,
  fakeNode,
  joinWithoutNetwork,
  merge,
  now,
  page,
  pages,
  pods,
  put,
  W2,
  withRequest,
};
