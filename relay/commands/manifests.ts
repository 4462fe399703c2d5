// ensure-applied: a layer's manifests, object by object, by server-side apply. Repeating it changes nothing.
import { fullJitter } from '../../shared/backoff.ts';
import type { CommandFailure } from '../../shared/command.ts';
import type { Result } from '../../shared/result.ts';
import { err, ok } from '../../shared/result.ts';
import type { ClusterDial } from '../kubernetes/connect.ts';
import type { KubernetesApi, KubernetesFailure, KubernetesObject } from '../kubernetes/kubernetes-api.ts';
import { parseManifest } from '../kubernetes/manifest.ts';
import { sleep } from '../ports.ts';
import { type CommandContext, type Handler, type HandlerFailure, stopped } from './handler.ts';
import { openIdentity } from './identity.ts';

/** A young API server refuses what it takes a minute later; one object is tried so long. */
const PATIENCE_MS = 90_000;
const RETRY_MS_MIN = 300;
const RETRY_MS_MAX = 5_000;

/**
 * Stops at the first object that can't be applied; those before it stay applied. A manifest that is not one is
 * KUBERNETES_REFUSED 422, as the API server would say.
 */
export function ensureApplied(dial: Pick<ClusterDial, 'kubernetes'>): Handler<'ensure-applied'> {
  return async ({ access, name, manifests }, context) => {
    const objects = parseManifest(manifests);
    if (!objects.ok) return err(notAManifest(name, objects.error));
    const identity = await openIdentity(context, access.identity);
    if (!identity.ok) return identity;
    const api = dial.kubernetes(access.server, identity.value);
    try {
      const applied: string[] = [];
      for (const object of objects.value) {
        const done = await applyPatiently(api, object, context);
        if (!done.ok) return done;
        applied.push(titleOf(object));
      }
      return ok({ verb: 'ensure-applied', applied });
    } finally {
      await api.close();
    }
  };
}

async function applyPatiently(
  api: KubernetesApi,
  object: KubernetesObject,
  context: CommandContext,
): Promise<Result<null, HandlerFailure>> {
  const { clock, random, timers } = context.ports;
  const giveUpAt = clock.monotonicMs() + PATIENCE_MS;
  for (let attempt = 0; ; attempt += 1) {
    const may = await context.beforeChange(`apply ${titleOf(object)}`);
    if (!may.ok) return may;
    const done = await api.apply(object);
    if (done.ok) return done;
    if (!mayPass(done.error) || clock.monotonicMs() > giveUpAt) return err(about(object, done.error));
    const wait = RETRY_MS_MIN + fullJitter(attempt, RETRY_MS_MIN, RETRY_MS_MAX, random.fraction());
    if (!(await sleep(timers, wait, context.signal))) return err(stopped);
  }
}

/** 403: RBAC is not bootstrapped; 404: the namespace or the kind comes a moment later; 409 and up: the server's own trouble. */
function mayPass(failure: KubernetesFailure): boolean {
  if (failure.code === 'KUBERNETES_UNREACHABLE') return true;
  return [403, 404, 409, 429].includes(failure.status) || failure.status >= 500;
}

function about(object: KubernetesObject, failure: KubernetesFailure): KubernetesFailure {
  return { ...failure, detail: `${titleOf(object)}: ${failure.detail}`.slice(0, 2_000) };
}

function titleOf({ apiVersion, kind, metadata }: KubernetesObject): string {
  const { name, namespace } = metadata;
  return `${apiVersion} ${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`;
}

function notAManifest(name: string, why: string): CommandFailure {
  return {
    code: 'KUBERNETES_REFUSED',
    status: 422,
    reason: 'NotAManifest',
    detail: `the manifests of ${name}: ${why}`.slice(0, 2_000),
  };
}
