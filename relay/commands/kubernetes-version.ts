// ensure-kubernetes-version: machines that join get the static pods that the cluster's own record names, whatever kubeadm they
// have. The record is the ConfigMap that kubeadm itself keeps; one line of it is ours to change (`kubeadm upgrade apply` does
// more: kube-proxy and CoreDNS, which a cluster outlives for three minors).
import { load } from 'js-yaml';
import { z } from 'zod';
import { err, ok, type Result } from '../../shared/result.ts';
import type { ClusterDial } from '../kubernetes/connect.ts';
import type { KubernetesApi, KubernetesFailure } from '../kubernetes/kubernetes-api.ts';
import { reasonOf } from '../log.ts';
import type { CommandContext, Handler, HandlerFailure, ResultOf } from './handler.ts';
import { openIdentity } from './identity.ts';

const RECORD = { namespace: 'kube-system', name: 'kubeadm-config', key: 'ClusterConfiguration' } as const;
/** Somebody else changed the record in between: looked at again so often. */
const TRIES_MAX = 5;

const VERSION = /^v(\d+)\.(\d+)\.(\d+)$/;
const Configuration = z.looseObject({
  kind: z.literal('ClusterConfiguration'),
  kubernetesVersion: z.string().regex(VERSION),
});

/**
 * Writes only while nobody else does, by the record's own version. Refuses (KUBERNETES_REFUSED 422) to go back, and a record
 * that is not kubeadm's. One that says this version already is done.
 */
export function ensureKubernetesVersion(dial: Pick<ClusterDial, 'kubernetes'>): Handler<'ensure-kubernetes-version'> {
  return async ({ access, version }, context) => {
    const identity = await openIdentity(context, access.identity);
    if (!identity.ok) return identity;
    const api = dial.kubernetes(access.server, identity.value);
    try {
      for (let tries = 1; ; tries += 1) {
        const done = await tryOnce(api, version, context);
        const isLate = !done.ok && done.error.code === 'KUBERNETES_REFUSED' && done.error.status === 409;
        if (!isLate || tries >= TRIES_MAX) return done;
      }
    } finally {
      await api.close();
    }
  };
}

async function tryOnce(
  api: KubernetesApi,
  version: string,
  context: CommandContext,
): Promise<Result<ResultOf<'ensure-kubernetes-version'>, HandlerFailure>> {
  const { namespace, name, key } = RECORD;
  const record = await api.readConfigMap(namespace, name);
  if (!record.ok) return record;
  const written = withVersion(record.value?.data[key] ?? '', version);
  if (!written.ok) return written;
  if (written.value !== null && record.value !== null) {
    const may = await context.beforeChange(`set the version of kubeadm-config to ${version}`);
    if (!may.ok) return may;
    const { resourceVersion } = record.value;
    const changed = await api.changeConfigMap(namespace, name, { [key]: written.value }, resourceVersion);
    if (!changed.ok) return changed;
  }
  return ok({ verb: 'ensure-kubernetes-version', version });
}

/** The text with one line changed; null when it says so already. Everything else stays byte for byte what kubeadm wrote. */
export function withVersion(text: string, version: string): Result<string | null, KubernetesFailure> {
  const known = versionIn(text);
  if (!known.ok) return known;
  const order = compare(version, known.value);
  if (order === 0) return ok(null);
  if (order < 0)
    return err(refused('Downgrade', `the cluster is at ${known.value}; it does not go back to ${version}`));
  const changed = text.replace(/^kubernetesVersion:.*$/m, `kubernetesVersion: ${version}`);
  const now = versionIn(changed);
  return now.ok && now.value === version
    ? ok(changed)
    : err(refused('NotARecord', 'the version in kubeadm-config is not on a line of its own'));
}

function versionIn(text: string): Result<string, KubernetesFailure> {
  try {
    const read = Configuration.safeParse(load(text, { maxDepth: 32, maxAliases: 0 }));
    if (read.success) return ok(read.data.kubernetesVersion);
    return err(refused('NotARecord', 'kubeadm-config holds no ClusterConfiguration with a version'));
  } catch (error) {
    return err(refused('NotARecord', `kubeadm-config is not YAML: ${reasonOf(error)}`.slice(0, 500)));
  }
}

function compare(one: string, other: string): number {
  const [a, b] = [one, other].map((text) => (VERSION.exec(text) ?? []).slice(1).map(Number));
  const at = (a ?? []).findIndex((part, index) => part !== b?.[index]);
  return at < 0 ? 0 : (a?.[at] ?? 0) - (b?.[at] ?? 0);
}

function refused(reason: string, detail: string): KubernetesFailure {
  return { code: 'KUBERNETES_REFUSED', status: 422, reason, detail };
}
