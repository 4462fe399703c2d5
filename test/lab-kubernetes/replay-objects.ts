// The recorded exchanges in the order they are replayed, a group per fresh cluster; stored objects.
import type { PlayedCluster } from './played-cluster.ts';
import { until } from './played-cluster.ts';
import type { Step } from './replay.ts';
import { big, compact, page, pages, put, withRequest } from './replay.ts';

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

/** Tokens, applied objects, maps, namespaces, signing requests. */
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
};
