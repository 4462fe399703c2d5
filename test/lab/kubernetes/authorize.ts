// Who may do what. Simplified, and this is all of it: system:masters may do everything; a few rules are built in for
// nodes, bootstrap tokens and the public paths; beyond them Roles and ClusterRoles in the store count, through their
// bindings, by verb, group, resource and resourceName. Aggregation, escalation checks and the node graph are not played.
import type { User } from './bootstrap-tokens.ts';
import type { Json, JsonObject } from './json.ts';
import { dig, list, text } from './json.ts';
import type { ApiRequest, Target } from './request.ts';
import { CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES } from './resources.ts';
import type { ApiFailure } from './status.ts';
import { forbidden, pathForbidden } from './status.ts';
import type { Store } from './store.ts';

type Rule = { verbs: string[]; groups: string[]; resources: string[]; names: string[]; paths: string[] };
type BuiltinRule = { readonly to: string; readonly namespace?: string; readonly rule: Rule };

function rule(verbs: string, group: string, resources: string, names: string[] = []): Rule {
  return { verbs: verbs.split(' '), groups: [group], resources: resources.split(' '), names, paths: [] };
}
const paths = (...allowed: string[]): Rule => ({
  verbs: ['get'],
  groups: [],
  resources: [],
  names: [],
  paths: allowed,
});

const DISCOVERY = [
  '/',
  '/api',
  '/api/*',
  '/apis',
  '/apis/*',
  '/openapi',
  '/openapi/*',
  '/healthz',
  '/livez',
  '/readyz',
  '/version',
  '/version/',
  '/.well-known/openid-configuration',
];
const KUBEADM_TOKENS = 'system:bootstrappers:kubeadm:default-node-token';

const BUILTIN: readonly BuiltinRule[] = [
  { to: 'system:unauthenticated', rule: paths('/healthz', '/livez', '/readyz', '/version', '/version/') },
  { to: 'system:authenticated', rule: paths(...DISCOVERY) },
  {
    to: 'system:authenticated',
    rule: rule('create', 'authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews'),
  },
  { to: 'system:authenticated', rule: rule('create', 'authentication.k8s.io', 'selfsubjectreviews') },
  { to: 'system:unauthenticated', namespace: 'kube-public', rule: rule('get', '', 'configmaps', ['cluster-info']) },
  { to: 'system:authenticated', namespace: 'kube-public', rule: rule('get', '', 'configmaps', ['cluster-info']) },
  { to: KUBEADM_TOKENS, rule: rule('create get list watch', 'certificates.k8s.io', 'certificatesigningrequests') },
  { to: KUBEADM_TOKENS, rule: rule('get', '', 'nodes') },
  {
    to: KUBEADM_TOKENS,
    namespace: 'kube-system',
    rule: rule('get', '', 'configmaps', ['kubeadm-config', 'kubelet-config', 'kube-proxy']),
  },
  { to: 'system:nodes', rule: rule('get list watch create update patch', '', 'nodes nodes/status events pods/status') },
  { to: 'system:nodes', rule: rule('get list watch create delete', '', 'pods') },
  { to: 'system:nodes', rule: rule('get list watch', '', 'configmaps secrets services endpoints') },
  { to: 'system:nodes', rule: rule('get list watch create update patch delete', 'coordination.k8s.io', 'leases') },
  { to: 'system:nodes', rule: rule('create get list watch', 'certificates.k8s.io', 'certificatesigningrequests') },
];

const covers = (allowed: readonly string[], asked: string): boolean => allowed.includes('*') || allowed.includes(asked);

function pathAllowed(allowed: readonly string[], asked: string): boolean {
  return allowed.some(
    (entry) => entry === '*' || entry === asked || (entry.endsWith('*') && asked.startsWith(entry.slice(0, -1))),
  );
}

function allows(entry: Rule, verb: string, target: Target | undefined, path: string): boolean {
  if (!covers(entry.verbs, verb)) return false;
  if (target === undefined) return pathAllowed(entry.paths, path);
  const resource = target.subresource === '' ? target.plural : `${target.plural}/${target.subresource}`;
  const wildcard = target.subresource !== '' && entry.resources.includes(`*/${target.subresource}`);
  if (!covers(entry.groups, target.group) || !(wildcard || covers(entry.resources, resource))) return false;
  return entry.names.length === 0 || entry.names.includes(target.name);
}

const texts = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];

function rulesOf(role: JsonObject): Rule[] {
  return list(role, 'rules').map((entry) => ({
    verbs: texts(dig(entry, 'verbs')),
    groups: texts(dig(entry, 'apiGroups')),
    resources: texts(dig(entry, 'resources')),
    names: texts(dig(entry, 'resourceNames')),
    paths: texts(dig(entry, 'nonResourceURLs')),
  }));
}

function binds(binding: JsonObject, user: User): boolean {
  return list(binding, 'subjects').some((subject) => {
    const name = text(subject, 'name');
    if (text(subject, 'kind') === 'Group') return user.groups.includes(name);
    if (text(subject, 'kind') === 'User') return user.name === name;
    return user.name === `system:serviceaccount:${text(subject, 'namespace')}:${name}`;
  });
}

function boundRules(store: Store, user: User, namespace: string): Rule[] {
  const rules: Rule[] = [];
  const add = (binding: JsonObject, inNamespace: string): void => {
    if (!binds(binding, user)) return;
    const kind = text(binding, 'roleRef', 'kind') === 'ClusterRole' ? CLUSTER_ROLES : ROLES;
    const role = store.get(kind, inNamespace, text(binding, 'roleRef', 'name'));
    if (role.ok) rules.push(...rulesOf(role.value));
  };
  for (const binding of store.all(CLUSTER_ROLE_BINDINGS)) add(binding, '');
  if (namespace !== '') for (const binding of store.all(ROLE_BINDINGS, namespace)) add(binding, namespace);
  return rules;
}

export type AccessQuestion = { readonly verb: string; readonly target: Target | undefined; readonly path: string };

/** Whether a user may. `rolesReady` false is the first moments of a server, when only system:masters is known. */
export function mayAccess(store: Store, user: User, question: AccessQuestion, rolesReady = true): boolean {
  if (user.groups.includes('system:masters')) return true;
  if (!rolesReady) return false;
  const namespace = question.target?.namespace ?? '';
  const builtin = BUILTIN.some(
    (entry) =>
      (user.groups.includes(entry.to) || user.name === entry.to) &&
      (entry.namespace === undefined || entry.namespace === namespace) &&
      allows(entry.rule, question.verb, question.target, question.path),
  );
  return (
    builtin ||
    boundRules(store, user, namespace).some((entry) => allows(entry, question.verb, question.target, question.path))
  );
}

/** The 403 of a refusal, in the recorded words. */
export function refusal(
  user: User,
  request: Pick<ApiRequest, 'path'>,
  verb: string,
  target: Target | undefined,
): ApiFailure {
  if (target === undefined) return pathForbidden(user.name, verb, request.path);
  const resource = target.subresource === '' ? target.plural : `${target.plural}/${target.subresource}`;
  const scope =
    target.namespace === '' || target.plural === 'namespaces'
      ? 'at the cluster scope'
      : `in the namespace ${JSON.stringify(target.namespace)}`;
  const why = `User ${JSON.stringify(user.name)} cannot ${verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(target.group)} ${scope}`;
  return forbidden({ plural: target.plural, group: target.group, name: target.name }, why);
}
