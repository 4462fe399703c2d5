// The parts of objects that have a path of their own: eviction, log, approval, scale, token, finalize, status.
import { applyPatch } from './applying.ts';
import type { Answer, Call } from './call.ts';
import { answer, failed, isDryRun, presented } from './call.ts';
import { timestamp } from './clock.ts';
import { decodeAny, decodePatch, mediaType } from './decoding.ts';
import { evict } from './eviction.ts';
import type { Json, JsonObject } from './json.ts';
import { clone, dig, grow, isObject, list, nameOf, namespaceOf, number, object, text, textMap } from './json.ts';
import { mergePatch, strategicMergePatch } from './patch.ts';
import { nodeAddress } from './pods.ts';
import { get } from './reading.ts';
import { NODES } from './resources.ts';
import { ISSUER } from './service-account-tokens.ts';
import { decide, isDecisionRefused } from './signing-requests.ts';
import { badRequest, internal, methodNotAllowed, notModelled } from './status.ts';
import { checkOptions, patch, save, update } from './writing.ts';

function eviction(call: Call, pod: JsonObject): Answer {
  if (call.request.verb !== 'create') return failed(methodNotAllowed());
  const decoded = decodeAny(call, 'Eviction');
  if (!decoded.ok) return failed(decoded.error);
  const { store, pods, options } = call.cluster;
  const dryRun = isDryRun(call) || list(decoded.value, 'deleteOptions', 'dryRun').includes('All');
  const evicted = evict(store, pods, pod, decoded.value, options.clock.now(), dryRun);
  return evicted.ok ? answer(201, evicted.value) : failed(evicted.error);
}

function log(call: Call, pod: JsonObject): Answer {
  if (call.request.verb !== 'get') return failed(methodNotAllowed());
  const { store, nodes } = call.cluster;
  const container = call.request.query.get('container') ?? text(list(pod, 'spec', 'containers')[0], 'name');
  const nodeName = text(pod, 'spec', 'nodeName');
  if (nodeName === '') return failed(badRequest(`pod ${nameOf(pod)} does not have a host assigned`));
  if (!nodes.isAlive(nodeName)) {
    const node = store.get(NODES, '', nodeName);
    const address = node.ok ? nodeAddress(node.value) : nodeName;
    const query = call.request.query.size === 0 ? '' : `?${call.request.query.toString()}`;
    return failed(
      internal(
        `Get "https://${address}:10250/containerLogs/${namespaceOf(pod)}/${nameOf(pod)}/${container}${query}": dial tcp ${address}:10250: connect: no route to host`,
      ),
    );
  }
  const lines = [
    `${container} of ${namespaceOf(pod)}/${nameOf(pod)}: this pod is played by the Slipway lab's stand-in`,
    'nothing runs in it',
  ];
  const tail = call.request.query.get('tailLines');
  const shown = tail === null ? lines : lines.slice(Math.max(0, lines.length - Number(tail)));
  return { status: 200, contentType: 'text/plain', body: `${shown.join('\n')}\n` };
}

function approval(call: Call, request: JsonObject): Answer {
  const { store, options } = call.cluster;
  let wanted: Json[];
  if (call.request.verb === 'update') {
    const decoded = decodeAny(call, call.resource.kind);
    if (!decoded.ok) return failed(decoded.error);
    wanted = list(decoded.value, 'status', 'conditions');
  } else if (call.request.verb === 'patch') {
    const decoded = decodePatch(call);
    if (!decoded.ok) return failed(decoded.error);
    // Conditions have no merge key in this API: every kind of patch replaces the list.
    wanted = list(decoded.value, 'status', 'conditions');
  } else return call.request.verb === 'get' ? get(call) : failed(methodNotAllowed());
  const decision = decide(request, wanted, options.clock.now());
  if (isDecisionRefused(decision)) return failed(decision);
  if (isDryRun(call)) return answer(200, presented(call.resource, decision));
  const stored = store.update(call.resource, decision);
  return stored.ok ? answer(200, presented(call.resource, stored.value)) : failed(stored.error);
}

function scaleOf(owner: JsonObject): JsonObject {
  const metadata = object(owner, 'metadata');
  const kept = ['name', 'namespace', 'uid', 'resourceVersion', 'creationTimestamp'].map(
    (field) => [field, metadata[field] ?? ''] as const,
  );
  const selector = Object.entries(textMap(dig(owner, 'spec', 'selector', 'matchLabels'))).map(
    ([key, value]) => `${key}=${value}`,
  );
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: Object.fromEntries(kept),
    spec: { replicas: number(owner, 'spec', 'replicas') ?? 1 },
    status: { replicas: number(owner, 'status', 'replicas') ?? 0, selector: selector.join(',') },
  };
}

function scale(call: Call, owner: JsonObject): Answer {
  if (call.request.verb === 'get') return answer(200, scaleOf(owner));
  const decoded = call.request.verb === 'update' ? decodeAny(call, 'Scale') : decodePatch(call);
  if (!decoded.ok) return failed(decoded.error);
  if (Array.isArray(decoded.value)) return failed(notModelled('a JSON patch of the scale subresource'));
  const merged =
    call.headers['content-type']?.startsWith('application/strategic') === true
      ? strategicMergePatch(scaleOf(owner), decoded.value)
      : mergePatch(scaleOf(owner), decoded.value);
  const replicas = number(merged, 'spec', 'replicas');
  if (replicas === undefined) return failed(badRequest('spec.replicas is missing'));
  const wanted = clone(owner);
  grow(wanted, 'spec').replicas = replicas;
  const saved = save({ ...call, target: { ...call.target, subresource: '' } }, owner, wanted);
  return saved.status === 200 && isObject(saved.body) ? answer(200, scaleOf(saved.body)) : saved;
}

function token(call: Call, account: JsonObject): Answer {
  if (call.request.verb !== 'create') return failed(methodNotAllowed());
  const decoded = decodeAny(call, 'TokenRequest');
  if (!decoded.ok) return failed(decoded.error);
  const seconds = number(decoded.value, 'spec', 'expirationSeconds') ?? 3600;
  const issued = call.accounts.issue(account, seconds);
  return answer(201, {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: {
      name: nameOf(account),
      namespace: namespaceOf(account),
      uid: text(account, 'metadata', 'uid'),
      creationTimestamp: timestamp(call.cluster.options.clock.now()),
      managedFields: [],
    },
    spec: { audiences: [ISSUER], expirationSeconds: seconds, boundObjectRef: null },
    status: { token: issued.token, expirationTimestamp: timestamp(issued.expiresAt) },
  });
}

/** A request for `…/name/subresource`. Ones a real server has and this one does not are 501. */
export function subresource(call: Call): Answer {
  const wrong = checkOptions(call);
  if (wrong !== undefined) return failed(wrong);
  const name = call.target.subresource;
  const found = call.cluster.store.get(call.resource, call.target.namespace, call.target.name);
  if (!found.ok) return failed(found.error);
  if (!call.resource.subresources.includes(name))
    return failed(notModelled(`the subresource ${call.resource.plural}/${name}`));
  switch (name) {
    case 'eviction':
      return eviction(call, found.value);
    case 'log':
      return log(call, found.value);
    case 'approval':
      return approval(call, found.value);
    case 'scale':
      return scale(call, found.value);
    case 'token':
      return token(call, found.value);
    case 'status':
      if (call.request.verb === 'get') return get(call);
      if (call.request.verb === 'update') return update(call);
      if (call.request.verb !== 'patch') return failed(methodNotAllowed());
      return mediaType(call) === 'application/apply-patch+yaml' ? applyPatch(call) : patch(call);
    default:
      return failed(notModelled(`the subresource ${call.resource.plural}/${name}`));
  }
}
