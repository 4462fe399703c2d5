// A kubeconfig for whoever asks, by a certificate of at most 8 hours. The private key stays with the asker: only a request
// signed by it is sent, and the kubeconfig names the file it is in.
import { dump } from 'js-yaml';
import { z } from 'zod';
import { KUBECONFIG_MS_MAX } from '../../shared/limits.ts';
import { apiFailure } from '../../shared/problem.ts';
import { err, ok } from '../../shared/result.ts';
import { clusterOf } from '../env.ts';
import { gatewayScopeOf } from '../store/gateways.ts';
import { askGateway } from './ask-gateway.ts';
import { callObject } from './call-object.ts';
import { readCertificateRequest } from './certificate-request.ts';
import { OneCluster, readWorkload } from './clusters.ts';
import { EDITORS } from './roles.ts';
import { defineRoute, Nothing } from './route.ts';

/** Bound to cluster-admin when the cluster is made (the planner's manifests). */
export const ADMIN_GROUP = 'slipway:admins';
const TTL_SECONDS_MIN = 60;
const TTL_SECONDS_MAX = KUBECONFIG_MS_MAX / 1_000;

export const KubeconfigRequest = z.strictObject({
  requestPem: z.string().max(8_192),
  ttlSeconds: z.int().min(TTL_SECONDS_MIN).max(TTL_SECONDS_MAX).default(TTL_SECONDS_MAX),
  /** Where the asker keeps the private key; kubectl looks from the kubeconfig's folder. By default `<cluster>.key`. */
  keyFile: z
    .string()
    .regex(/^[^\0\r\n]{1,1024}$/)
    .optional(),
});

export const Kubeconfig = z.strictObject({
  /** YAML, complete but for the private key, which it refers to as a file. */
  kubeconfig: z.string(),
  certificatePem: z.string(),
  caCertPem: z.string(),
  server: z.string(),
  notAfter: z.int(),
});

export const createKubeconfig = defineRoute(
  {
    method: 'POST',
    path: '/v1/clusters/{clusterId}/kubeconfig',
    summary: 'A kubeconfig for the key that signed the certificate request; the key itself is never sent',
    roles: EDITORS,
    params: OneCluster,
    query: Nothing,
    body: KubeconfigRequest,
    answers: { 200: Kubeconfig },
    problems: ['CSR_INVALID', 'CLUSTER_NOT_RUNNING', 'GATEWAY_NOT_RUNNING', 'GATEWAY_NO_ANSWER', 'UNAVAILABLE'],
  },
  async (call) => {
    const { env, principal, params, body } = call;
    const cluster = await readWorkload(call, params.clusterId);
    if (!cluster.ok) return cluster;
    const requestPem = await readCertificateRequest(body.requestPem);
    if (!requestPem.ok) return requestPem;
    const access = await callObject(() => clusterOf(env, principal.scope, params.clusterId).access());
    if (!access.ok) return access;
    if (access.value === null) return err(apiFailure('CLUSTER_NOT_RUNNING'));
    const { name, gatewayId, id, generation } = cluster.value;
    const { identity, server } = access.value;
    const { ttlSeconds } = body;
    const user = principal.keyName;
    const scope = await gatewayScopeOf(call.catalogue, principal.scope, gatewayId);
    if (scope === null) return err(apiFailure('CLUSTER_NOT_RUNNING'));
    const asked = await askGateway<'ensure-certificate'>(
      call,
      { scope, gatewayId },
      { verb: 'ensure-certificate', identity, requestPem: requestPem.value, user, groups: [ADMIN_GROUP], ttlSeconds },
      { id, generation },
    );
    if (!asked.ok) return asked;
    const { certificatePem, caCertPem, notAfter } = asked.value;
    const keyFile = body.keyFile ?? `${name}.key`;
    const kubeconfig = kubeconfigYaml({ name, server, user, certificatePem, caCertPem, keyFile });
    return ok({ status: 200, body: { kubeconfig, certificatePem, caCertPem, server, notAfter } });
  },
);

type Parts = {
  readonly name: string;
  readonly server: string;
  readonly user: string;
  readonly certificatePem: string;
  readonly caCertPem: string;
  readonly keyFile: string;
};

export function kubeconfigYaml(parts: Parts): string {
  const context = `${parts.user}@${parts.name}`;
  const cluster = { server: parts.server, 'certificate-authority-data': btoa(parts.caCertPem) };
  const user = { 'client-certificate-data': btoa(parts.certificatePem), 'client-key': parts.keyFile };
  return dump({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: parts.name, cluster }],
    users: [{ name: context, user }],
    contexts: [{ name: context, context: { cluster: parts.name, user: context } }],
    'current-context': context,
  });
}
