// The recorded exchanges in the order they are replayed, a group per fresh cluster; stored objects.
import type { PlayedCluster } from './played-cluster.ts';
import { until } from './played-cluster.ts';
import type { Step } from './replay.ts';
import { big, budget, compact, page, pages, pods, put, withRequest } from './replay.ts';

type More = Omit<Step, 'name'>;
const step = (name: string, more: More = {}): Step => ({ name, ...more });
const plain = (...names: string[]): Step[] => names.map((name) => step(name));

const JOIN_TOKEN = { token: () => 'abcdef.0123456789abcdef' } as const;
const REC_TOKEN = { token: () => 'rec0rd.0123456789abcdef' } as const;
const addToken = (id: string, expiresInMs: number) => (lab: PlayedCluster) =>
  lab.ok('POST', '/api/v1/namespaces/kube-system/secrets', {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `bootstrap-token-${id}` },
    type: 'bootstrap.kubernetes.io/token',
    stringData: {
      'token-id': id,
      'token-secret': '0123456789abcdef',
      expiration: new Date(Date.now() + expiresInMs).toISOString(),
      'usage-bootstrap-authentication': 'true',
    },
  });

const approve = (name: string) => (lab: PlayedCluster) =>
  until(async () =>
    JSON.stringify(await lab.ok('GET', `/apis/certificates.k8s.io/v1/certificatesigningrequests/${name}`)).includes(
      '"certificate"',
    ),
  );
const request =
  (name: string, usage = 'client auth') =>
  async (lab: PlayedCluster): Promise<void> => {
    const body = {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name },
      spec: { signerName: 'kubernetes.io/kube-apiserver-client', expirationSeconds: 28_800, usages: [usage] },
    };
    await lab.ok(
      'POST',
      '/apis/certificates.k8s.io/v1/certificatesigningrequests',
      await withRequest('relay-ops')(lab, body),
    );
  };
const namespaceHeld = async (lab: PlayedCluster): Promise<void> => {
  await lab.ok('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'rec-del' } });
  await lab.ok('POST', '/api/v1/namespaces/rec-del/configmaps', {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'held', finalizers: ['example.com/hold'] },
  });
};
const widgetServed = (lab: PlayedCluster) =>
  until(
    async () =>
      (await lab.ask({ method: 'GET', path: '/apis/example.com/v1/namespaces/rec/widgets', who: lab.people.admin }))
        .status === 200,
  );
const webReady = (lab: PlayedCluster) =>
  until(async () =>
    JSON.stringify(await lab.ok('GET', '/apis/apps/v1/namespaces/rec/deployments/web')).includes(
      'NewReplicaSetAvailable',
    ),
  );

/** Everything that is stored. */
export const OBJECT_GROUPS: Readonly<Record<string, readonly Step[]>> = {
  'bootstrap-token': [
    ...plain(
      'bootstrap-token-secret-create-201',
      'bootstrap-token-secret-create-exists-409',
      'bootstrap-token-secret-get',
      'bootstrap-token-secrets-list-by-type',
    ),
    step('bootstrap-token-authenticates', REC_TOKEN),
    step('configmap-kubeadm-config-by-bootstrap-token', JOIN_TOKEN),
    ...plain('bootstrap-token-secret-delete', 'bootstrap-token-secret-delete-again-404'),
    step('bootstrap-token-immediately-after-delete-403', {
      token: () => 'rec2rd.0123456789abcdef',
      before: async (lab) => {
        await addToken('rec2rd', 60_000)(lab);
        await lab.ask({ method: 'GET', path: '/readyz', who: { token: 'rec2rd.0123456789abcdef' } });
        await lab.ok('DELETE', '/api/v1/namespaces/kube-system/secrets/bootstrap-token-rec2rd');
      },
    }),
    step('bootstrap-token-rejected-after-delete-401', { token: () => 'rec2rd.0000000000000000' }),
    step('bootstrap-token-expired-401', { before: addToken('exprd0', -1_000), token: () => 'exprd0.0123456789abcdef' }),
    step('bootstrap-token-expired-secret-gone-404', {
      before: (lab) =>
        until(
          async () =>
            (
              await lab.ask({
                method: 'GET',
                path: '/api/v1/namespaces/kube-system/secrets/bootstrap-token-exprd0',
                who: lab.people.admin,
              })
            ).status === 404,
        ),
    }),
  ],
  apply: [
    ...plain(
      'apply-create-201',
      'apply-update-200',
      'apply-unchanged-200',
      'apply-conflict-409',
      'apply-force-200',
      'apply-dryrun-200',
      'apply-conflict-after-takeover-409',
      'apply-json-body-200',
    ),
    ...plain(
      'apply-name-mismatch-400',
      'apply-without-fieldmanager-422',
      'apply-force-on-merge-patch-422',
      'apply-missing-apiversion-400',
      'apply-invalid-yaml-400',
      'apply-namespace-missing-404',
      'apply-unknown-field-500',
      'apply-unknown-field-strict-500',
      'apply-invalid-label-422',
    ),
    step('apply-drops-owned-field-200', {
      before: (lab) =>
        lab.ok(
          'PATCH',
          '/api/v1/namespaces/rec/configmaps/ssa2?fieldManager=relay',
          'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ssa2, labels: {app: x}}\ndata: {a: "1", b: "2"}\n',
          'application/apply-patch+yaml',
        ),
    }),
    ...plain('apply-resourceversion-stale-409', 'apply-deployment-invalid-422'),
  ],
  configmap: [
    ...plain(
      'configmap-cluster-info-anonymous',
      'configmap-kubeadm-config',
      'configmap-kubelet-config',
      'configmap-dryrun-create',
      'configmap-dryrun-left-nothing-404',
      'configmap-generatename-201',
      'configmap-name-required-422',
      'configmap-namespace-mismatch-400',
      'dryrun-invalid-value-422',
    ),
    step('configmap-immutable-422', { before: put('imm', { data: { a: '1' }, immutable: true }) }),
    step('configmap-delete-with-finalizer-200', {
      before: put('fin', { metadata: { finalizers: ['example.com/hold'] } }),
    }),
    ...plain('configmap-remove-finalizer-200', 'configmap-after-finalizer-404'),
    step('configmap-delete-precondition-uid-conflict-409', { before: pages }),
    step('pagination-page-1'),
    step('pagination-page-2', { query: page('page-1') }),
    step('pagination-page-3-last', { query: page('page-3') }),
    step('pagination-continue-token-expired-410', {
      before: compact,
      query: () => ({
        continue: Buffer.from('{"v":"meta.k8s.io/v1","rv":1,"start":"/page-1\\u0000"}').toString('base64url'),
      }),
    }),
    ...plain(
      'method-not-allowed-405',
      'configmap-deletecollection',
      'put-not-found-404',
      'body-empty-400',
      'body-not-json-400',
      'body-wrong-kind-400',
      'body-wrong-type-400',
      'content-type-unsupported-415',
      'fieldvalidation-ignore',
      'resource-unknown-404',
      'group-unknown-404',
    ),
    step('configmap-too-long-422', { body: big(1_100_000) }),
    step('request-too-large-413', { body: big(3_200_000) }),
  ],
  namespace: [
    ...plain(
      'namespace-get',
      'namespace-create-exists-409',
      'namespace-create-invalid-name-422',
      'namespace-missing-object-create-404',
    ),
    step('namespace-delete-terminating', { before: namespaceHeld }),
    ...plain('namespace-create-in-terminating-403', 'lease-create-201', 'componentstatuses-deprecated'),
  ],
  csr: [
    step('csr-create-201', { body: withRequest('relay-ops') }),
    ...plain(
      'csr-get-pending',
      'csr-approve-forbidden-403',
      'csr-approve-not-found-404',
      'csr-approve-patch-strategic-200',
    ),
    step('csr-get-signed', { before: approve('relay-1') }),
    ...plain('csr-delete-200', 'csr-create-bad-request-pem-422'),
    step('csr-create-expiration-too-short-422', { body: withRequest('relay-ops') }),
    step('csr-create-masters-group-403', { body: withRequest('system:masters') }),
    step('csr-create-usage-not-allowed-201', { body: withRequest('relay-ops') }),
    step('csr-approve-put-without-reason-200', { body: (_lab, recorded) => recorded }),
    step('csr-get-failed-usage', {
      before: (lab) =>
        until(async () =>
          JSON.stringify(
            await lab.ok('GET', '/apis/certificates.k8s.io/v1/certificatesigningrequests/relay-u'),
          ).includes('Failed'),
        ),
    }),
    step('csr-deny-put-200', { before: request('relay-d') }),
    ...plain('csr-approve-denied-422', 'csr-approve-on-main-resource-ignored-200'),
  ],
  eviction: [
    step('eviction-dryrun-201', { before: pods('psbhr', 'qqrjf', '7nj4w') }),
    ...plain(
      'eviction-forbidden-403',
      'eviction-not-found-404',
      'eviction-name-mismatch-400',
      'eviction-uid-precondition-conflict-409',
      'eviction-success-201',
      'pod-terminating',
      'eviction-v1beta1-body-accepted-201',
      'eviction-of-terminating-pod-201',
    ),
    step('pdb-create-201', { before: pods('mrm6g') }),
    step('pdb-get-status', {
      before: (lab) =>
        until(async () =>
          JSON.stringify(await lab.ok('GET', '/apis/policy/v1/namespaces/rec/poddisruptionbudgets/web')).includes(
            'InsufficientPods',
          ),
        ),
    }),
    ...plain(
      'eviction-blocked-by-pdb-429',
      'pdb-patch-200',
      'eviction-allowed-by-pdb-201',
      'eviction-second-blocked-until-replacement-ready-429',
    ),
    step('eviction-more-than-one-pdb-500', { before: budget('second', 1) }),
    step('eviction-right-after-pdb-create-429', {
      before: async (lab) => {
        lab.addPod('web3-6b9754f9f9-2f2fd', { labels: { app: 'web3' } });
        lab.addPod('web3-6b9754f9f9-xxxxx', { labels: { app: 'web3' } });
        await pods()(lab);
        await budget('web3', 2, 'web3')(lab);
      },
    }),
    step('eviction-daemonset-pod-dryrun-201', {
      before: (lab) => lab.addPod('kube-proxy-4szb6', { namespace: 'kube-system', owner: 'Node' }),
    }),
  ],
  workload: [
    step('deployment-create-201'),
    step('deployment-get-available', { before: webReady }),
    ...plain(
      'deployment-scale-get',
      'deployment-delete-200',
      'deployment-delete-again-404',
      'deployment-get-coredns',
      'daemonset-get-kube-proxy',
      'job-invalid-restartpolicy-422',
      'job-create-201',
    ),
    step('pod-get-pending-unschedulable', {
      before: (lab) =>
        lab
          .ok('POST', '/api/v1/namespaces/rec/pods', {
            apiVersion: 'v1',
            kind: 'Pod',
            metadata: { name: 'stuck' },
            spec: { nodeSelector: { no: 'where' }, containers: [{ name: 'pause', image: 'pause:3' }] },
          })
          .then(() =>
            until(async () =>
              JSON.stringify(await lab.ok('GET', '/api/v1/namespaces/rec/pods/stuck')).includes('Unschedulable'),
            ),
          ),
    }),
    ...plain('pod-delete-200', 'pods-list-by-node-worker', 'pods-list-by-node-control-plane', 'pod-log-text'),
    step('pod-get-running-replicaset', { before: pods('psbhr') }),
    step('pods-list-by-node-worker-with-workload'),
  ],
  'custom-resource': [
    ...plain('crd-create-201', 'custom-resource-list-right-after-crd-create-404'),
    step('crd-get-established', { before: widgetServed }),
    ...plain(
      'custom-resource-create-201',
      'custom-resource-invalid-422',
      'custom-resource-merge-patch-200',
      'custom-resource-status-patch-200',
      'custom-resource-strategic-merge-patch-415',
      'custom-resource-apply-create-201',
      'custom-resource-apply-unknown-field-500',
      'crd-delete-200',
    ),
    step('custom-resource-after-crd-delete-404', {
      before: (lab) =>
        until(
          async () =>
            (await lab.ask({ method: 'GET', path: '/apis/example.com/v1', who: lab.people.admin })).status === 404,
        ),
    }),
  ],
  discovery: plain(
    'discovery-api-v1',
    'discovery-api',
    'discovery-apis',
    'discovery-apps-v1',
    'discovery-group-apps',
    'discovery-openapi-v3-index',
    'discovery-root',
  ),
};
