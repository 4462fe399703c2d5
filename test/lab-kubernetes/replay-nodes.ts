// The recorded exchanges in the order they are replayed, a group per fresh cluster; nodes, watches, health and users.
import type { PlayedCluster } from './played-cluster.ts';
import { until } from './played-cluster.ts';
import type { Step } from './replay.ts';
import { compact, cordonTwice, fakeNode, joinWithoutNetwork, now } from './replay.ts';

type More = Omit<Step, 'name'>;
const step = (name: string, more: More = {}): Step => ({ name, ...more });
const plain = (...names: string[]): Step[] => names.map((name) => step(name));

const loseQuorum = (lab: PlayedCluster): void => {
  for (const [index, name] of ['cp1', 'cp2', 'cp3'].entries()) lab.api.addControlPlane(name, `10.88.0.2${index + 1}`);
  lab.api.cluster.etcd.setUp('cp2', false);
  lab.api.cluster.etcd.setUp('cp3', false);
};
const powerOff = async (lab: PlayedCluster): Promise<void> => {
  lab.api.powerOff('cp3');
  await until(() => lab.api.listNodes().some((node) => node.name === 'cp3' && node.ready === 'Unknown'));
  await until(async () => JSON.stringify(await lab.ok('GET', '/api/v1/nodes/cp3')).includes('unreachable'));
};
let robot = '';
const robotToken = { token: () => robot } as const;

/** Nodes, watches, health, start-up, etcd, users. */
export const NODE_GROUPS: Readonly<Record<string, readonly Step[]>> = {
  nodes: [
    ...plain(
      'nodes-list-all-ready',
      'nodes-list-labelselector-control-plane',
      'nodes-list-bad-labelselector-400',
      'nodes-accept-unsupported-406',
      'nodes-list-partialobjectmetadata',
      'nodes-list-table',
    ),
    ...plain(
      'node-get-control-plane-ready',
      'node-get-worker-ready',
      'node-get-worker-just-rejoined-ready',
      'node-get-not-found-404',
      'node-patch-cordon-merge-patch',
      'node-patch-uncordon-merge-patch',
      'node-patch-label',
    ),
    ...plain(
      'node-patch-stale-resourceversion-conflict-409',
      'node-patch-remove-label',
      'node-patch-label-invalid-422',
      'node-patch-taint-merge-patch-replaces-list',
      'node-patch-providerid-immutable-422',
    ),
    ...plain(
      'node-patch-not-found-404',
      'node-patch-wrong-content-type-415',
      'node-patch-json-patch-test-fails-422',
      'node-patch-json-patch-missing-path-422',
      'node-leases-list',
    ),
    step('node-get-worker-registered-first-moment', { before: joinWithoutNetwork }),
    ...plain(
      'node-get-worker-notready-no-cni',
      'nodes-list-mixed-ready-and-notready',
      'node-delete-200',
      'node-delete-again-404',
      'node-after-delete-kubelet-running-404',
    ),
    ...plain('list-nodes-resourceversion-in-future-504', 'list-nodes-resourceversion-not-a-number-400'),
    step('list-resourceversion-exact-compacted-410', { before: compact }),
    step('node-get-unknown-powered-off', { before: powerOff }),
    ...plain('pods-list-by-node-powered-off', 'pod-log-of-powered-off-node-500', 'node-lease-of-powered-off-node'),
  ],
  'first-node': [
    step('nodes-list-empty-before-first-node'),
    step('nodes-list-first-node-false-kubeletnotready', {
      before: (lab) =>
        lab.api.registerNode({
          name: 'cp1',
          role: 'control-plane',
          internalIp: '10.88.0.21',
          providerId: 'maas:///default/sys21',
        }),
    }),
    step('pods-list-coredns-pending-no-cni', {
      before: (lab) =>
        until(async () =>
          JSON.stringify(
            await lab.ok('GET', '/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns'),
          ).includes('Unschedulable'),
        ),
    }),
    step('nodes-list-first-node-true-kubeletready', { before: (lab) => lab.api.setNodeReady('cp1', true) }),
  ],
  watch: [
    step('watch-nodes-initial-added'),
    step('watch-nodes-modified-and-bookmark', { query: now, during: cordonTwice }),
    step('watch-nodes-sendinitialevents-bookmark'),
    step('watch-nodes-added-modified-deleted', { query: now, during: fakeNode }),
    step('watch-nodes-labelselector-leaves-set', { query: now, during: fakeNode }),
    ...plain(
      'watch-nodes-resourceversion-in-future',
      'watch-nodes-resourceversion-not-a-number-500',
      'watch-forbidden-403',
    ),
    step('watch-nodes-resourceversion-too-old-410', { before: compact }),
    step('watch-pods-resourceversion-too-old-410'),
  ],
  health: plain(
    'health-healthz-ok',
    'health-livez-etcd',
    'health-livez-ok',
    'health-livez-verbose-ok',
    'health-readyz-etcd-anonymous',
    'health-readyz-etcd',
    'health-readyz-ok',
    'health-readyz-unknown-check',
    'health-readyz-verbose-exclude-etcd',
    'health-readyz-verbose-ok',
    'version',
    'metrics-anonymous-403',
  ),
  'startup-roles': plain(
    'startup-healthz-403-anonymous',
    'startup-readyz-403-anonymous',
    'startup-version-403-anonymous',
    'startup-readyz-verbose-500',
  ),
  'startup-hooks': plain('startup-healthz-500-anonymous', 'startup-readyz-500-anonymous'),
  etcd: [
    step('etcd-quorum-lost-livez', { before: loseQuorum }),
    ...plain(
      'etcd-quorum-lost-readyz',
      'etcd-quorum-lost-readyz-etcd',
      'etcd-quorum-lost-nodes-list-resourceversion-0',
      'etcd-quorum-lost-create-timeout-3s',
    ),
  ],
  auth: [
    ...plain(
      'authn-anonymous-nodes-403',
      'authn-bad-bearer-token-401',
      'authn-client-cert-unknown-ca-401',
      'authn-garbage-bearer-token-on-readyz-401',
      'authz-namespaced-403',
    ),
    ...plain(
      'impersonate-bob-judged-as-bob-403',
      'impersonate-forbidden-403',
      'impersonate-group-without-user-400',
      'impersonate-selfsubjectreview',
      'selfsubjectreview-admin',
      'selfsubjectaccessreview-denied',
    ),
    ...plain(
      'clusterrole-create-201',
      'signed-cert-before-rbac-403',
      'clusterrolebinding-create-201',
      'signed-cert-with-rbac-200',
      'signed-cert-escalation-403',
      'clusterrolebinding-roleref-immutable-422',
      'clusterrolebinding-delete-200',
      'signed-cert-after-rbac-revoked-403',
    ),
    ...plain('serviceaccount-create-201', 'tokenrequest-create-201', 'tokenrequest-unknown-serviceaccount-404'),
    step('serviceaccount-token-authenticates', {
      ...robotToken,
      before: async (lab) => {
        const answer = await lab.ok('POST', '/api/v1/namespaces/rec/serviceaccounts/robot/token', {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: { expirationSeconds: 3600 },
        });
        robot = JSON.stringify(answer).match(/"token":"([^"]+)"/)?.[1] ?? '';
      },
    }),
    step('tokenreview-valid', {
      body: () => ({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token: robot } }),
    }),
    step('serviceaccount-token-403', robotToken),
    step('serviceaccount-deleted-token-401', { token: () => `${robot}x` }),
  ],
};
