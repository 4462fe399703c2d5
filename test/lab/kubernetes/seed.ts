// What `kubeadm init` and the first moments of the controllers leave in a cluster, as recorded.
import { createHmac } from 'node:crypto';
import { applyDefaults } from './admission.ts';
import { trackUpdate } from './apply.ts';
import { secretText, TOKEN_TYPE } from './bootstrap-tokens.ts';
import type { Clock } from './clock.ts';
import { timestamp } from './clock.ts';
import type { Json, JsonObject } from './json.ts';
import { grow, nameOf, object, text } from './json.ts';
import type { Resource } from './resources.ts';
import {
  CLUSTER_ROLE_BINDINGS,
  CLUSTER_ROLES,
  CONFIGMAPS,
  DAEMON_SETS,
  DEPLOYMENTS,
  NAMESPACES,
  SECRETS,
  SERVICE_ACCOUNTS,
} from './resources.ts';
import type { Store } from './store.ts';

export type SeedOptions = {
  readonly clusterName: string;
  readonly kubernetesVersion: string;
  /** host:port that kubeconfigs and cluster-info name. */
  readonly endpoint: string;
  readonly caPem: string;
  readonly podSubnet: string;
  readonly serviceSubnet: string;
};

/** On every object the lab makes by itself, so that nobody takes the stand-in for the real thing. */
export const STAND_IN_ANNOTATION = {
  'slipway.lab/stand-in': 'This cluster is played by the Slipway test lab; nothing runs in it.',
};

const RBAC = 'rbac.authorization.k8s.io';

function clusterRole(name: string, rules: Json[]): JsonObject {
  return {
    kind: 'ClusterRole',
    apiVersion: `${RBAC}/v1`,
    metadata: { name, labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' } },
    rules,
  };
}

function binding(name: string, role: string, group: string): JsonObject {
  return {
    kind: 'ClusterRoleBinding',
    apiVersion: `${RBAC}/v1`,
    metadata: { name },
    subjects: [{ kind: 'Group', apiGroup: RBAC, name: group }],
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: role },
  };
}

const READ = ['get', 'list', 'watch'];
const ALL_PATHS = { verbs: ['*'], nonResourceURLs: ['*'] };
const EDITED = [
  'configmaps',
  'endpoints',
  'events',
  'persistentvolumeclaims',
  'pods',
  'pods/log',
  'services',
  'serviceaccounts',
  'daemonsets',
  'deployments',
  'deployments/scale',
  'replicasets',
  'statefulsets',
  'cronjobs',
  'jobs',
  'ingresses',
  'networkpolicies',
  'poddisruptionbudgets',
];

const ROLES_BY_DEFAULT: readonly JsonObject[] = [
  clusterRole('cluster-admin', [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, ALL_PATHS]),
  clusterRole('view', [{ verbs: READ, apiGroups: ['*'], resources: [...EDITED, 'namespaces'] }]),
  clusterRole('edit', [
    { verbs: ['*'], apiGroups: ['*'], resources: [...EDITED, 'secrets', 'pods/eviction'] },
    { verbs: READ, apiGroups: [''], resources: ['namespaces'] },
  ]),
  clusterRole('admin', [
    { verbs: ['*'], apiGroups: ['*'], resources: [...EDITED, 'secrets', 'pods/eviction', 'roles', 'rolebindings'] },
    { verbs: READ, apiGroups: [''], resources: ['namespaces'] },
  ]),
];

function configMap(namespace: string, name: string, data: JsonObject): JsonObject {
  return {
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: { namespace, name, annotations: { ...STAND_IN_ANNOTATION } },
    data,
  };
}

export function clusterInfoKubeconfig(options: SeedOptions): string {
  const ca = Buffer.from(options.caPem).toString('base64');
  return `apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: ${ca}\n    server: https://${options.endpoint}\n  name: ""\ncontexts: null\ncurrent-context: ""\nkind: Config\nusers: null\n`;
}

function clusterConfiguration(options: SeedOptions): string {
  return [
    'apiServer: {}',
    'apiVersion: kubeadm.k8s.io/v1beta4',
    'caCertificateValidityPeriod: 87600h0m0s',
    'certificateValidityPeriod: 8760h0m0s',
    'certificatesDir: /etc/kubernetes/pki',
    `clusterName: ${options.clusterName}`,
    `controlPlaneEndpoint: ${options.endpoint}`,
    'kind: ClusterConfiguration',
    `kubernetesVersion: ${options.kubernetesVersion}`,
    'networking:',
    '  dnsDomain: cluster.local',
    `  podSubnet: ${options.podSubnet}`,
    `  serviceSubnet: ${options.serviceSubnet}`,
    '',
  ].join('\n');
}

function workload(
  kind: 'Deployment' | 'DaemonSet',
  name: string,
  label: string,
  image: string,
  more: JsonObject,
  spec: JsonObject,
): JsonObject {
  return {
    kind,
    apiVersion: 'apps/v1',
    metadata: { name, namespace: 'kube-system', labels: { 'k8s-app': label }, annotations: { ...STAND_IN_ANNOTATION } },
    spec: {
      ...more,
      selector: { matchLabels: { 'k8s-app': label } },
      template: {
        metadata: { labels: { 'k8s-app': label } },
        spec: {
          containers: [{ name, image }],
          nodeSelector: { 'kubernetes.io/os': 'linux' },
          serviceAccountName: name,
          ...spec,
        },
      },
    },
  };
}

function addOns(version: string): readonly (readonly [Resource, JsonObject])[] {
  const critical = [
    { key: 'CriticalAddonsOnly', operator: 'Exists' },
    { key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' },
  ];
  return [
    [
      DAEMON_SETS,
      workload(
        'DaemonSet',
        'kube-proxy',
        'kube-proxy',
        `kube-proxy:${version}`,
        {},
        { hostNetwork: true, tolerations: [{ operator: 'Exists' }], priorityClassName: 'system-node-critical' },
      ),
    ],
    [
      DEPLOYMENTS,
      workload(
        'Deployment',
        'coredns',
        'kube-dns',
        'coredns:v1.14.2',
        { replicas: 2, strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: '25%' } } },
        { tolerations: critical, priorityClassName: 'system-cluster-critical' },
      ),
    ],
  ];
}

/** Fills a store with a fresh cluster. Once per store; a second call changes nothing. */
export function seedCluster(store: Store, clock: Clock, options: SeedOptions): void {
  const add = (resource: Resource, raw: JsonObject, by = 'kubeadm'): void => {
    const made = structuredClone(raw);
    applyDefaults(resource, made);
    if (resource.counted) grow(made, 'metadata').generation = 1;
    const manager = {
      name: by,
      operation: 'Update',
      apiVersion: text(made, 'apiVersion'),
      subresource: '',
      time: timestamp(clock.now()),
    } as const;
    store.create(resource, trackUpdate(undefined, made, manager));
  };
  for (const name of ['default', 'kube-node-lease', 'kube-public', 'kube-system']) {
    add(
      NAMESPACES,
      { kind: 'Namespace', apiVersion: 'v1', metadata: { name, annotations: { ...STAND_IN_ANNOTATION } } },
      'kube-apiserver',
    );
    add(
      SERVICE_ACCOUNTS,
      { kind: 'ServiceAccount', apiVersion: 'v1', metadata: { name: 'default', namespace: name } },
      'kube-controller-manager',
    );
    add(CONFIGMAPS, configMap(name, 'kube-root-ca.crt', { 'ca.crt': options.caPem }), 'kube-controller-manager');
  }
  for (const role of ROLES_BY_DEFAULT) add(CLUSTER_ROLES, role, 'kube-apiserver');
  add(CLUSTER_ROLE_BINDINGS, binding('cluster-admin', 'cluster-admin', 'system:masters'), 'kube-apiserver');
  add(CLUSTER_ROLE_BINDINGS, binding('kubeadm:cluster-admins', 'cluster-admin', 'kubeadm:cluster-admins'));
  add(CONFIGMAPS, configMap('kube-public', 'cluster-info', { kubeconfig: clusterInfoKubeconfig(options) }));
  add(CONFIGMAPS, configMap('kube-system', 'kubeadm-config', { ClusterConfiguration: clusterConfiguration(options) }));
  add(
    CONFIGMAPS,
    configMap('kube-system', 'kubelet-config', {
      kubelet:
        'apiVersion: kubelet.config.k8s.io/v1beta1\ncgroupDriver: systemd\nclusterDNS:\n- 10.96.0.10\nclusterDomain: cluster.local\nkind: KubeletConfiguration\nrotateCertificates: true\nstaticPodPath: /etc/kubernetes/manifests\n',
    }),
  );
  for (const [resource, made] of addOns(options.kubernetesVersion)) add(resource, made);
}

/** The detached JWS (HS256, key = token secret) with which kubeadm join recognises cluster-info. */
function signature(kubeconfig: string, id: string, secret: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'HS256', kid: id })).toString('base64url');
  const payload = Buffer.from(kubeconfig).toString('base64url');
  return `${header}..${createHmac('sha256', secret).update(`${header}.${payload}`).digest('base64url')}`;
}

/** Signs cluster-info for every token that may sign, and drops signatures of tokens that are gone. May be repeated. */
export function reconcileClusterInfo(store: Store): void {
  const tokens = store
    .all(SECRETS, 'kube-system')
    .filter(
      (secret) => text(secret, 'type') === TOKEN_TYPE && secretText(secret, 'usage-bootstrap-signing') === 'true',
    );
  store.change(CONFIGMAPS, 'kube-public', 'cluster-info', (info) => {
    const data = grow(info, 'data');
    const kubeconfig = text(data, 'kubeconfig');
    const wanted = new Map<string, JsonObject>(
      tokens.map((secret) => [`jws-kubeconfig-${secretText(secret, 'token-id')}`, secret]),
    );
    for (const key of Object.keys(data)) if (key.startsWith('jws-kubeconfig-') && !wanted.has(key)) delete data[key];
    for (const [key, secret] of wanted)
      data[key] = signature(kubeconfig, secretText(secret, 'token-id'), secretText(secret, 'token-secret'));
  });
}

/** New namespaces get their default service account and the CA, as the controllers give them. May be repeated. */
export function reconcileNamespaceDefaults(store: Store, caPem: string): void {
  for (const namespace of store.all(NAMESPACES)) {
    if (text(object(namespace, 'status'), 'phase') !== 'Active') continue;
    const name = nameOf(namespace);
    if (!store.get(SERVICE_ACCOUNTS, name, 'default').ok)
      store.create(SERVICE_ACCOUNTS, {
        kind: 'ServiceAccount',
        apiVersion: 'v1',
        metadata: { name: 'default', namespace: name },
      });
    if (!store.get(CONFIGMAPS, name, 'kube-root-ca.crt').ok)
      store.create(CONFIGMAPS, {
        kind: 'ConfigMap',
        apiVersion: 'v1',
        metadata: { name: 'kube-root-ca.crt', namespace: name },
        data: { 'ca.crt': caPem },
      });
  }
}
