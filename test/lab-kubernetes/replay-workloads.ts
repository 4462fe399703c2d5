// The recorded exchanges in the order they are replayed, a group per fresh cluster; evictions, workloads, custom resources.
import type { PlayedCluster } from './played-cluster.ts';
import { until } from './played-cluster.ts';
import type { Step } from './replay.ts';
import { budget, pods } from './replay.ts';

type More = Omit<Step, 'name'>;
const step = (name: string, more: More = {}): Step => ({ name, ...more });
const plain = (...names: string[]): Step[] => names.map((name) => step(name));

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

/** Evictions, workloads, custom resources, discovery. */
export const WORKLOAD_GROUPS: Readonly<Record<string, readonly Step[]>> = {
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
