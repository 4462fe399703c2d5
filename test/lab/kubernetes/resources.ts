// The closed table of kinds the stand-in plays. What is not here is not there: the server says 404 or 501.

/** How a kind is addressed and what may be done with it. */
export type Resource = {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  /** Fields of the object itself beside apiVersion, kind and metadata; any other is an unknown field. */
  readonly fields: readonly string[];
  readonly subresources: readonly string[];
  /** True when the spec has a generation that counts its changes. */
  readonly counted: boolean;
  /** True for kinds a CustomResourceDefinition made. */
  readonly custom: boolean;
  /** Kinds that are asked, not stored (reviews). */
  readonly createOnly: boolean;
  /** True where DELETE without a policy leaves the children behind (batch/v1 Job). */
  readonly singleDeleteOnly: boolean;
};

type Entry = Partial<
  Pick<Resource, 'shortNames' | 'categories' | 'subresources' | 'counted' | 'createOnly' | 'singleDeleteOnly'>
> & {
  cluster?: true;
  singular?: string;
};

function resource(
  group: string,
  version: string,
  plural: string,
  kind: string,
  fields: string,
  entry: Entry = {},
): Resource {
  return {
    group,
    version,
    plural,
    kind,
    singular: entry.singular ?? kind.toLowerCase(),
    namespaced: entry.cluster !== true,
    shortNames: entry.shortNames ?? [],
    categories: entry.categories ?? [],
    fields: fields === '' ? [] : fields.split(' '),
    subresources: entry.subresources ?? [],
    counted: entry.counted ?? false,
    custom: false,
    createOnly: entry.createOnly ?? false,
    singleDeleteOnly: entry.singleDeleteOnly ?? false,
  };
}

const cluster = { cluster: true } as const;
const all = { categories: ['all'] } as const;
const review = { cluster: true, createOnly: true } as const;
const scaled = { counted: true, subresources: ['scale', 'status'], ...all } as const;
const RBAC = 'rbac.authorization.k8s.io';

export const RESOURCES: readonly Resource[] = [
  resource('', 'v1', 'componentstatuses', 'ComponentStatus', 'conditions', { ...cluster, shortNames: ['cs'] }),
  resource('', 'v1', 'configmaps', 'ConfigMap', 'data binaryData immutable', { shortNames: ['cm'] }),
  resource('', 'v1', 'endpoints', 'Endpoints', 'subsets', { shortNames: ['ep'], singular: 'endpoints' }),
  resource(
    '',
    'v1',
    'events',
    'Event',
    'involvedObject reason message source firstTimestamp lastTimestamp count type eventTime series action related reportingComponent reportingInstance',
    { shortNames: ['ev'] },
  ),
  resource('', 'v1', 'limitranges', 'LimitRange', 'spec', { shortNames: ['limits'] }),
  resource('', 'v1', 'namespaces', 'Namespace', 'spec status', {
    ...cluster,
    shortNames: ['ns'],
    subresources: ['finalize', 'status'],
    singleDeleteOnly: true,
  }),
  resource('', 'v1', 'nodes', 'Node', 'spec status', { ...cluster, shortNames: ['no'], subresources: ['status'] }),
  resource('', 'v1', 'persistentvolumeclaims', 'PersistentVolumeClaim', 'spec status', {
    shortNames: ['pvc'],
    subresources: ['status'],
  }),
  resource('', 'v1', 'persistentvolumes', 'PersistentVolume', 'spec status', {
    ...cluster,
    shortNames: ['pv'],
    subresources: ['status'],
  }),
  resource('', 'v1', 'pods', 'Pod', 'spec status', {
    shortNames: ['po'],
    subresources: ['eviction', 'log', 'status'],
    counted: true,
    ...all,
  }),
  resource('', 'v1', 'resourcequotas', 'ResourceQuota', 'spec status', {
    shortNames: ['quota'],
    subresources: ['status'],
  }),
  resource('', 'v1', 'secrets', 'Secret', 'data stringData type immutable'),
  resource('', 'v1', 'serviceaccounts', 'ServiceAccount', 'secrets imagePullSecrets automountServiceAccountToken', {
    shortNames: ['sa'],
    subresources: ['token'],
  }),
  resource('', 'v1', 'services', 'Service', 'spec status', { shortNames: ['svc'], subresources: ['status'], ...all }),
  resource(
    'admissionregistration.k8s.io',
    'v1',
    'mutatingwebhookconfigurations',
    'MutatingWebhookConfiguration',
    'webhooks',
    cluster,
  ),
  resource(
    'admissionregistration.k8s.io',
    'v1',
    'validatingwebhookconfigurations',
    'ValidatingWebhookConfiguration',
    'webhooks',
    cluster,
  ),
  resource('apiextensions.k8s.io', 'v1', 'customresourcedefinitions', 'CustomResourceDefinition', 'spec status', {
    ...cluster,
    shortNames: ['crd', 'crds'],
    counted: true,
    subresources: ['status'],
  }),
  resource('apps', 'v1', 'daemonsets', 'DaemonSet', 'spec status', {
    shortNames: ['ds'],
    counted: true,
    subresources: ['status'],
    ...all,
  }),
  resource('apps', 'v1', 'deployments', 'Deployment', 'spec status', { shortNames: ['deploy'], ...scaled }),
  resource('apps', 'v1', 'replicasets', 'ReplicaSet', 'spec status', { shortNames: ['rs'], ...scaled }),
  resource('apps', 'v1', 'statefulsets', 'StatefulSet', 'spec status', { shortNames: ['sts'], ...scaled }),
  resource('authentication.k8s.io', 'v1', 'selfsubjectreviews', 'SelfSubjectReview', 'status', review),
  resource('authentication.k8s.io', 'v1', 'tokenreviews', 'TokenReview', 'spec status', review),
  resource('authorization.k8s.io', 'v1', 'selfsubjectaccessreviews', 'SelfSubjectAccessReview', 'spec status', review),
  resource('authorization.k8s.io', 'v1', 'subjectaccessreviews', 'SubjectAccessReview', 'spec status', review),
  resource('batch', 'v1', 'cronjobs', 'CronJob', 'spec status', {
    shortNames: ['cj'],
    counted: true,
    subresources: ['status'],
    ...all,
  }),
  resource('batch', 'v1', 'jobs', 'Job', 'spec status', { counted: true, subresources: ['status'], ...all }),
  resource('certificates.k8s.io', 'v1', 'certificatesigningrequests', 'CertificateSigningRequest', 'spec status', {
    ...cluster,
    shortNames: ['csr'],
    subresources: ['approval', 'status'],
  }),
  resource('coordination.k8s.io', 'v1', 'leases', 'Lease', 'spec'),
  resource('networking.k8s.io', 'v1', 'ingresses', 'Ingress', 'spec status', {
    shortNames: ['ing'],
    counted: true,
    singular: 'ingress',
    subresources: ['status'],
  }),
  resource('networking.k8s.io', 'v1', 'networkpolicies', 'NetworkPolicy', 'spec', {
    shortNames: ['netpol'],
    counted: true,
    singular: 'networkpolicy',
  }),
  resource('policy', 'v1', 'poddisruptionbudgets', 'PodDisruptionBudget', 'spec status', {
    shortNames: ['pdb'],
    counted: true,
    subresources: ['status'],
  }),
  resource(RBAC, 'v1', 'clusterrolebindings', 'ClusterRoleBinding', 'subjects roleRef', cluster),
  resource(RBAC, 'v1', 'clusterroles', 'ClusterRole', 'rules aggregationRule', cluster),
  resource(RBAC, 'v1', 'rolebindings', 'RoleBinding', 'subjects roleRef'),
  resource(RBAC, 'v1', 'roles', 'Role', 'rules'),
  resource(
    'scheduling.k8s.io',
    'v1',
    'priorityclasses',
    'PriorityClass',
    'value globalDefault description preemptionPolicy',
    { ...cluster, shortNames: ['pc'], singular: 'priorityclass' },
  ),
  resource('storage.k8s.io', 'v1', 'csidrivers', 'CSIDriver', 'spec', cluster),
  resource(
    'storage.k8s.io',
    'v1',
    'storageclasses',
    'StorageClass',
    'provisioner parameters reclaimPolicy mountOptions allowVolumeExpansion volumeBindingMode allowedTopologies',
    { ...cluster, shortNames: ['sc'], singular: 'storageclass' },
  ),
];

/** Kinds and paths a real server has and this one refuses with 501 instead of pretending they do not exist. */
export const NOT_MODELLED: readonly string[] = [
  'bindings',
  'podtemplates',
  'replicationcontrollers',
  'controllerrevisions',
  'horizontalpodautoscalers',
  'apiservices',
  'localsubjectaccessreviews',
  'selfsubjectrulesreviews',
];

/** The kinds of the table under the two names other parts ask for most. */
function builtin(plural: string): Resource {
  const found = RESOURCES.find((entry) => entry.plural === plural);
  if (found === undefined) throw new Error(`the table of kinds lost ${plural}`);
  return found;
}

export const NODES = builtin('nodes');
export const PODS = builtin('pods');
export const NAMESPACES = builtin('namespaces');
export const CONFIGMAPS = builtin('configmaps');
export const SECRETS = builtin('secrets');
export const SERVICE_ACCOUNTS = builtin('serviceaccounts');
export const LEASES = builtin('leases');
export const DEPLOYMENTS = builtin('deployments');
export const REPLICA_SETS = builtin('replicasets');
export const STATEFUL_SETS = builtin('statefulsets');
export const DAEMON_SETS = builtin('daemonsets');
export const JOBS = builtin('jobs');
export const DISRUPTION_BUDGETS = builtin('poddisruptionbudgets');
export const SIGNING_REQUESTS = builtin('certificatesigningrequests');
export const CLUSTER_ROLES = builtin('clusterroles');
export const CLUSTER_ROLE_BINDINGS = builtin('clusterrolebindings');
export const ROLES = builtin('roles');
export const ROLE_BINDINGS = builtin('rolebindings');
export const CUSTOM_RESOURCE_DEFINITIONS = builtin('customresourcedefinitions');

export const apiVersionOf = (resource: Resource): string =>
  resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;

export const pathOf = (resource: Resource): string =>
  resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;

/** The verbs of a kind, in the order discovery lists them. */
export function verbsOf(resource: Resource): readonly string[] {
  if (resource.createOnly) return ['create'];
  if (resource.plural === 'componentstatuses') return ['get', 'list'];
  const collection = resource.singleDeleteOnly ? [] : ['deletecollection'];
  return ['create', 'delete', ...collection, 'get', 'list', 'patch', 'update', 'watch'];
}
