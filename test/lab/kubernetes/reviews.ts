// Kinds that are asked and not stored: who am I, may I, whose token is this. And componentstatuses, which only exist.

import { trackUpdate } from './apply.ts';
import { mayAccess } from './authorize.ts';
import type { User } from './bootstrap-tokens.ts';
import { userOfBootstrapToken } from './bootstrap-tokens.ts';
import type { Answer, Call } from './call.ts';
import { answer, failed, managerName } from './call.ts';
import { timestamp } from './clock.ts';
import { decodeObject } from './decoding.ts';
import type { JsonObject } from './json.ts';
import { list, object, text } from './json.ts';
import { apiVersionOf } from './resources.ts';
import { ISSUER } from './service-account-tokens.ts';

function userInfo(user: User): JsonObject {
  const info: JsonObject = { username: user.name };
  if (user.uid !== undefined) info.uid = user.uid;
  info.groups = [...user.groups];
  if (user.extra !== undefined)
    info.extra = Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]]));
  return info;
}

function accessStatus(call: Call, spec: JsonObject, user: User): JsonObject {
  const attributes = object(spec, 'resourceAttributes');
  const path = text(spec, 'nonResourceAttributes', 'path');
  const target =
    path === ''
      ? {
          group: text(attributes, 'group'),
          version: text(attributes, 'version'),
          plural: text(attributes, 'resource'),
          namespace: text(attributes, 'namespace'),
          name: text(attributes, 'name'),
          subresource: text(attributes, 'subresource'),
        }
      : undefined;
  const verb = text(attributes, 'verb') || text(spec, 'nonResourceAttributes', 'verb');
  const allowed = mayAccess(call.cluster.store, user, { verb, target, path });
  return allowed ? { allowed, reason: 'RBAC: allowed by the rules of the stand-in' } : { allowed };
}

/** Answers a review. Nothing is stored. */
export function review(call: Call): Answer {
  const decoded = decodeObject(call);
  if (!decoded.ok) return failed(decoded.error);
  const { store, options } = call.cluster;
  const head = { kind: call.resource.kind, apiVersion: apiVersionOf(call.resource) };
  const time = timestamp(options.clock.now());
  if (call.resource.plural === 'selfsubjectreviews') {
    return answer(201, { ...head, metadata: { creationTimestamp: time }, status: { userInfo: userInfo(call.user) } });
  }
  const manager = {
    name: managerName(call),
    operation: 'Update',
    apiVersion: head.apiVersion,
    subresource: '',
    time,
  } as const;
  const asked = trackUpdate(undefined, { ...decoded.value.object, metadata: {} }, manager);
  const spec = object(asked, 'spec');
  const whole = { ...head, metadata: object(asked, 'metadata'), spec };
  if (call.resource.plural === 'tokenreviews') {
    const user =
      userOfBootstrapToken(store, options.clock, text(spec, 'token')) ?? call.accounts.userOf(text(spec, 'token'));
    const status =
      user === undefined
        ? { user: {}, error: 'invalid bearer token' }
        : { authenticated: true, user: userInfo(user), audiences: [ISSUER] };
    return answer(201, { ...whole, status });
  }
  const other = call.resource.plural === 'subjectaccessreviews';
  const groups = list(spec, 'groups').filter((group) => typeof group === 'string');
  const user = other ? { name: text(spec, 'user'), groups } : call.user;
  return answer(201, { ...whole, status: accessStatus(call, spec, user) });
}

/** The deprecated list that still answers, with its warning. */
export function componentStatuses(call: Call): Answer {
  const healthy = call.cluster.etcd.hasQuorum();
  const items = ['scheduler', 'controller-manager', 'etcd-0'].map((name): JsonObject => {
    const status = name === 'etcd-0' && !healthy ? 'False' : 'True';
    return {
      metadata: { name },
      conditions: [{ type: 'Healthy', status, message: status === 'True' ? 'ok' : 'no quorum' }],
    };
  });
  return answer(200, { kind: 'ComponentStatusList', apiVersion: 'v1', metadata: {}, items }, [
    'v1 ComponentStatus is deprecated in v1.19+',
  ]);
}
