// What the kubeadm stand-in reads of a v1beta4 configuration file. Strict where a real kubeadm is: an unknown kind is refused.
import { loadAll } from 'js-yaml';
import { z } from 'zod';
import { err, ok, type Result } from '../../../shared/result.ts';

const Argument = z.object({ name: z.string(), value: z.string() });
const NodeRegistration = z.object({
  name: z.string(),
  taints: z.array(z.object({ key: z.string(), value: z.string().optional(), effect: z.string() })).optional(),
  kubeletExtraArgs: z.array(Argument).default([]),
});
const V1BETA4 = z.literal('kubeadm.k8s.io/v1beta4');

const InitConfiguration = z.object({
  apiVersion: V1BETA4,
  kind: z.literal('InitConfiguration'),
  nodeRegistration: NodeRegistration,
  localAPIEndpoint: z.object({ advertiseAddress: z.ipv4(), bindPort: z.int().optional() }),
});
const ClusterConfiguration = z.object({
  apiVersion: V1BETA4,
  kind: z.literal('ClusterConfiguration'),
  kubernetesVersion: z.string(),
  controlPlaneEndpoint: z.string(),
  apiServer: z.object({ certSANs: z.array(z.string()).default([]) }).prefault({}),
});
const JoinConfiguration = z.object({
  apiVersion: V1BETA4,
  kind: z.literal('JoinConfiguration'),
  nodeRegistration: NodeRegistration,
  discovery: z.object({
    bootstrapToken: z.object({
      token: z.string(),
      apiServerEndpoint: z.string(),
      caCertHashes: z.array(z.string()).min(1),
    }),
  }),
  controlPlane: z.object({ localAPIEndpoint: z.object({ advertiseAddress: z.ipv4() }) }).optional(),
});
const Other = z.object({
  apiVersion: z.enum(['kubelet.config.k8s.io/v1beta1', 'kubeproxy.config.k8s.io/v1alpha1']),
  kind: z.enum(['KubeletConfiguration', 'KubeProxyConfiguration']),
});

const Document = z.discriminatedUnion('kind', [InitConfiguration, ClusterConfiguration, JoinConfiguration, Other]);

export type InitFile = { init: z.infer<typeof InitConfiguration>; cluster: z.infer<typeof ClusterConfiguration> };
export type JoinFile = z.infer<typeof JoinConfiguration>;

export function readInitFile(text: string): Result<InitFile, string> {
  const documents = readDocuments(text);
  if (!documents.ok) return documents;
  const init = documents.value.find((one) => one.kind === 'InitConfiguration');
  const cluster = documents.value.find((one) => one.kind === 'ClusterConfiguration');
  if (init === undefined || cluster === undefined)
    return err('the file has no InitConfiguration and ClusterConfiguration');
  return ok({ init, cluster });
}

export function readJoinFile(text: string): Result<JoinFile, string> {
  const documents = readDocuments(text);
  if (!documents.ok) return documents;
  const join = documents.value.find((one) => one.kind === 'JoinConfiguration');
  return join === undefined ? err('the file has no JoinConfiguration') : ok(join);
}

function readDocuments(text: string): Result<z.infer<typeof Document>[], string> {
  try {
    const documents = z.array(Document).safeParse(loadAll(text).filter((one) => one !== null && one !== undefined));
    return documents.success ? ok(documents.data) : err(z.prettifyError(documents.error));
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
}
