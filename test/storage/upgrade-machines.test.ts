// The machines' part of an upgrade, when the cluster that is the machines does not take the order.
import { afterEach, expect, test } from 'vitest';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err } from '../../shared/result.ts';
import { NO_OWN_MACHINES } from '../support/no-own-machines.ts';
import { GatewayBench } from './gateway-bench.ts';
import { clusterCommand, exchange, lines, published } from './upgrade-scene.ts';

const OWN = {
  ...{ size: 1, zones: [], podCidr: '10.1.0.0/16', serviceCidr: '10.2.0.0/16' },
  minimums: { cpuCores: 4, memoryMiB: 8_192, diskGB: 60 },
};
const machines = {
  ...{ image: 'ubuntu/jammy', kubernetesVersion: 'v1.40.0', packageRepository: null },
  kubeVipImage: 'ghcr.io/kube-vip/kube-vip:v1.0.0',
};

let bench: GatewayBench;
afterEach(() => bench.sql.close());

test('[UP7] [U6] machines that do not serve are asked again; those that can not go there fail it, and who waited begins', async () => {
  let refusal: ApiFailure = apiFailure('GATEWAY_NOT_HEALTHY');
  let asked = 0;
  const changeMachines = async () => {
    asked += 1;
    return err(refusal);
  };
  const told: unknown[] = [];
  bench = new GatewayBench({
    ownCluster: (...of) => ({ ...NO_OWN_MACHINES.ownCluster(...of), view: async () => null, changeMachines }),
    cluster: () => ({
      report: async () => undefined,
      gatewayConnected: async (_connected, ahead) => void told.push(ahead),
    }),
  });
  const node = await bench.pair();
  await bench.join(node);
  bench.sql.run("INSERT INTO own (one, cluster_id, machines) VALUES (1, 'clu_own', ?)", JSON.stringify(OWN));
  await bench.logic.requestUpgrade({ published: published('0.2.0', { machines }), window: null, actor: 'tester' });
  await bench.settle();
  await bench.logic.enqueue([clusterCommand('new')]);
  const socket = await exchange(bench, node, 2);
  await bench.settle();
  expect(await bench.logic.view()).toMatchObject({ upgrade: { stage: 'machines' }, queuedClusters: 1 });
  expect(asked).toBe(1);
  await bench.advance(2_000, [socket]);
  expect(asked).toBe(2);
  refusal = apiFailure('KUBERNETES_SKEW', 'Its machines run v1.36.2; v1.40.0 was asked for.');
  await bench.advance(4_000, [socket]);
  const view = await bench.logic.view();
  expect(view).toMatchObject({ upgrade: { stage: 'failed', failure: { code: 'KUBERNETES_SKEW' } }, queuedClusters: 0 });
  expect(view?.upgrade?.failure?.message).toContain('v1.36.2');
  expect(told.at(-1)).toBeNull();
  expect((await lines(bench)).at(-1)).toBe('1 cluster that waited begins, first in, first out.');
  await bench.advance(60_000, [socket]);
  expect(asked).toBe(3);
});
