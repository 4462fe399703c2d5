import 'reflect-metadata';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { load } from 'js-yaml';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { readCertificateRequest } from '../../functions/api/certificate-request.ts';
import { Kubeconfig } from '../../functions/api/kubeconfig.ts';
import { ClusterObject } from '../../functions/objects/cluster-object.ts';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import { ClusterView } from '../../shared/cluster-view.ts';
import { AccountView } from '../../shared/gateway-view.ts';
import { SealedSecret } from '../../shared/sealed-secret.ts';
import { type ApiGateway, accountOk, answerNext, connectGateway } from './api-gateway.ts';
import { answerOf, callApi, makeKey, problemOf, setUp } from './call-api.ts';

let admin: string;
let gateway: ApiGateway;
let cluster: ClusterView;

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const rsa = (modulusLength: number) => ({
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength,
  publicExponent: Uint8Array.of(1, 0, 1),
  hash: 'SHA-256',
});

async function request(algorithm: Parameters<typeof generate>[0] = P256): Promise<string> {
  const keys = await generate(algorithm);
  const made = await Pkcs10CertificateRequestGenerator.create({
    name: 'CN=somebody',
    keys,
    signingAlgorithm: algorithm,
  });
  return made.toString('pem');
}

async function generate(algorithm: typeof P256 | ReturnType<typeof rsa>): Promise<CryptoKeyPair> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  if (!('privateKey' in keys)) throw new Error('no key pair');
  return keys;
}

const path = () => `/v1/clusters/${cluster.id}/kubeconfig`;
const post = (json: object, key = admin) => callApi('POST', path(), { key, json });

const access = {
  server: 'https://10.0.0.9:6443',
  identity: SealedSecret.parse({
    v: 1,
    purpose: 'cluster-identity',
    recordId: 'clu_1',
    version: 1,
    encapsulatedKey: 'AAAA',
    ciphertext: 'BBBB',
  }),
};
const CERTIFICATE = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
const CA = '-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n';
const signed = {
  ok: true as const,
  value: {
    verb: 'ensure-certificate' as const,
    certificatePem: CERTIFICATE,
    caCertPem: CA,
    notAfter: 1_800_000_000_000,
  },
};

beforeAll(async () => {
  admin = (await setUp()).key;
  gateway = await connectGateway(admin, 'dc-1');
  const json = { name: 'maas', gatewayId: gateway.node.gatewayId, endpoint: 'http://maas.test/MAAS', apiKey: 'a:b:c' };
  const [account] = await Promise.all([
    answerOf(callApi('POST', '/v1/cloud-accounts', { key: admin, json }), 201, AccountView),
    answerNext(gateway, 'observe-account', accountOk),
  ]);
  const spec = { name: 'edge', profileId: BUILTIN_PROFILE.profileId, accountId: account.id };
  cluster = await answerOf(callApi('POST', '/v1/clusters', { key: admin, json: spec }), 201, ClusterView);
});

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a kubeconfig', () => {
  test('waits for the cluster’s API', async () => {
    await problemOf(post({ requestPem: await request() }), 'CLUSTER_NOT_RUNNING');
  });

  test('holds the certificate signed for the asker, and only names the file of the key', async () => {
    vi.spyOn(ClusterObject.prototype, 'access').mockResolvedValue(access);
    const editor = await makeKey(admin, 'project-editor');
    const requestPem = await request();
    const [answer, command] = await Promise.all([
      answerOf(post({ requestPem, ttlSeconds: 600 }, editor.key), 200, Kubeconfig),
      answerNext(gateway, 'ensure-certificate', signed),
    ]);
    expect(command).toMatchObject({ clusterId: cluster.id, generation: cluster.generation });
    expect(command.body).toMatchObject({
      identity: access.identity,
      groups: ['slipway:admins'],
      ttlSeconds: 600,
      user: expect.stringMatching(/^project-editor \d+$/),
    });
    expect(answer).toMatchObject({ certificatePem: CERTIFICATE, caCertPem: CA, server: access.server });
    expect(load(answer.kubeconfig)).toMatchObject({
      kind: 'Config',
      clusters: [{ cluster: { server: access.server, 'certificate-authority-data': btoa(CA) } }],
      users: [{ user: { 'client-certificate-data': btoa(CERTIFICATE), 'client-key': 'edge.key' } }],
    });
    const contexts = z.looseObject({
      contexts: z.array(z.object({ name: z.string() })),
      'current-context': z.string(),
    });
    const read = contexts.parse(load(answer.kubeconfig));
    expect(read.contexts[0]?.name).toBe(read['current-context']);
  });

  test('names the key file the asker gave, whatever is in its name', async () => {
    vi.spyOn(ClusterObject.prototype, 'access').mockResolvedValue(access);
    const keyFile = '/home/me/k: #1 {{x}} ”.key';
    const [answer] = await Promise.all([
      answerOf(post({ requestPem: await request(), keyFile }), 200, Kubeconfig),
      answerNext(gateway, 'ensure-certificate', signed),
    ]);
    expect(load(answer.kubeconfig)).toMatchObject({ users: [{ user: { 'client-key': keyFile } }] });
  });

  test('lasts at most 8 hours', async () => {
    const requestPem = await request();
    await problemOf(post({ requestPem, ttlSeconds: 28_801 }), 'BODY_INVALID');
    await problemOf(post({ requestPem, ttlSeconds: 59 }), 'BODY_INVALID');
  });

  test('is not for viewers', async () => {
    const viewer = await makeKey(admin, 'project-viewer');
    await problemOf(post({ requestPem: await request() }, viewer.key), 'FORBIDDEN');
  });
});

describe('a certificate request', () => {
  test.each([P256, { ...P256, namedCurve: 'P-384' }, rsa(2_048)])('of %o is taken', async (algorithm) => {
    const pem = await request(algorithm);
    const read = await readCertificateRequest(pem);
    expect(read.ok && read.value.replace(/\s/g, '')).toBe(pem.replace(/\s/g, ''));
  });

  const refused = async (pem: string, why: RegExp) => {
    const problem = await problemOf(post({ requestPem: pem }), 'CSR_INVALID');
    expect(problem.detail).toMatch(why);
  };

  test('of a weak or unknown key is refused', async () => {
    await refused(await request(rsa(1_024)), /P-256/);
    await refused(await request({ ...P256, namedCurve: 'P-521' }), /P-256/);
  });

  test('that is none, is changed, or comes with something else is refused', async () => {
    await refused('hello', /PEM/);
    await refused('-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----', /PKCS#10/);
    const pem = await request();
    await refused(`${pem}\n${pem}`, /PEM/);
    await refused(`${pem}\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----`, /private key/);
    const lines = pem.split('\n');
    const der = Uint8Array.from(atob(lines.filter((line) => !line.startsWith('-')).join('')), (c) => c.charCodeAt(0));
    // A letter of the subject: the request stays well-formed and the signature no longer fits.
    const at = String.fromCharCode(...der).indexOf('somebody');
    der[at] = 'S'.charCodeAt(0);
    const forged = btoa(String.fromCharCode(...der)).replace(/(.{64})/g, '$1\n');
    const changed = `-----BEGIN CERTIFICATE REQUEST-----\n${forged}\n-----END CERTIFICATE REQUEST-----`;
    await refused(changed, /not signed/);
  });
});
