// The main job: bare metal becomes a cluster that a real client lists as Ready, and goes back whole.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kubernetesNodes } from '../demo/kubernetes-nodes.ts';
import { ApiProblem } from '../support/api-client.ts';
import { breachesOf } from './claims.ts';
import { openScene, POOLS, type Scene } from './scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ machines: 8 });
});
afterAll(() => scene.close());

test('a cluster asked for without pools runs, tells each step in order, and goes back whole', async () => {
  const created = await scene.create('first');
  expect(created.phase).toBe('pending');
  await expectProblem(scene.api.deleteCluster(created.id, 'first'), 'USE_ABORT');
  const running = await scene.reach(created.id, 'running');

  expect(running.machines.map(({ slot, phase }) => [slot, phase])).toEqual([
    ['control-plane-0', 'ready'],
    ['workers-0', 'ready'],
  ]);
  expect(running.waitingOn).toEqual([]);
  const nodes = await kubernetesNodes(scene.api, running);
  expect(nodes.map(({ name, role, ready }) => [name, role, ready])).toEqual(
    running.machines.map(({ hostname, role }) => [hostname, role, true]),
  );
  await expectProblem(scene.api.abortCluster(created.id), 'USE_DELETE');
  await expectProblem(scene.api.deleteCluster(created.id, 'another'), 'CONFIRMATION_REQUIRED');

  const told = (await scene.timeline(created.id)).map(({ kind, slot, message }) => `${kind} ${slot ?? ''} ${message}`);
  expectInOrder(told, [
    /^accepted/,
    /^identity/,
    /^machine control-plane-0 .* is claiming/,
    /^machine control-plane-0 .* is deploying/,
    /^machine control-plane-0 .* is bootstrapping/,
    /^api-server/,
    /^machine workers-0 .* is bootstrapping/,
    /step kubeadm-join succeeded/,
    /^machine workers-0 .* is ready/,
    /^phase .* is running/,
  ]);
  expectInOrder(told, [/^address/, /^machine control-plane-0 .* is deploying/]);
  // The API may be heard before the machine says that it made it.
  expectInOrder(told, [/step kubeadm-init started/, /step kubeadm-init succeeded/, /step kubeadm-join succeeded/]);

  await scene.api.deleteCluster(created.id, 'first');
  const deleted = await scene.reach(created.id, 'deleted');
  expect(deleted.machines.every(({ phase }) => phase === 'released')).toBe(true);
  expect(scene.held()).toBe(0);
  expect(breachesOf(scene.lab.history, [created.id])).toEqual([]);
  expect((await scene.api.clusters()).items.map(({ id }) => id)).not.toContain(created.id);
  expect((await scene.api.cluster(created.id)).deletedAt).not.toBeNull();
  await expectProblem(scene.create('first'), 'CLUSTER_NAME_TAKEN');
});

test('three control planes join one after another, two workers beside them', async () => {
  const created = await scene.create('high', { pools: POOLS(3, 2) });
  const running = await scene.reach(created.id, 'running');
  const nodes = await kubernetesNodes(scene.api, running);
  expect(nodes.filter(({ role, ready }) => role === 'control-plane' && ready)).toHaveLength(3);
  expect(nodes.filter(({ role, ready }) => role === 'worker' && ready)).toHaveLength(2);
  // The machines report their joins themselves; a second member must not begin before the one before it has ended.
  const joins = scene.lab.delays.filter(
    ({ kind, machine, startMs }) =>
      kind.startsWith('kubeadm-') && startMs >= created.createdAt && running.machines.some(isControlPlane(machine)),
  );
  expect(joins).toHaveLength(3);
  for (const [at, join] of joins.entries()) expect(join.startMs).toBeGreaterThanOrEqual(joins[at - 1]?.endMs ?? 0);
  expect(new Set(running.machines.filter(({ role }) => role === 'control-plane').map(({ zone }) => zone)).size).toBe(3);
  await scene.remove(created.id);
  expect(scene.held()).toBe(0);
});

test('an abort in the middle gives everything back', async () => {
  const created = await scene.create('halfway');
  await scene.reach(created.id, 'provisioning');
  await scene.api.abortCluster(created.id);
  const view = await scene.api.cluster(created.id);
  expect(['aborting', 'deleted']).toContain(view.phase);
  await scene.reach(created.id, 'deleted');
  expect(scene.held()).toBe(0);
  expect((await scene.api.clusters()).items).toEqual([]);
});

const isControlPlane =
  (systemId: string) =>
  (machine: { systemId: string | null; role: string }): boolean =>
    machine.systemId === systemId && machine.role === 'control-plane';

async function expectProblem(call: Promise<unknown>, code: string): Promise<void> {
  const answer = await call.then(
    () => 'no problem',
    (error: unknown) => error,
  );
  if (!(answer instanceof ApiProblem)) throw new Error(`expected ${code}, got ${String(answer)}`);
  expect(answer.problem.code).toBe(code);
}

function expectInOrder(lines: readonly string[], wanted: readonly RegExp[]): void {
  let from = 0;
  for (const pattern of wanted) {
    const at = lines.findIndex((line, index) => index >= from && pattern.test(line));
    if (at < 0) throw new Error(`no ${pattern} after line ${from} of\n${lines.join('\n')}`);
    from = at + 1;
  }
}
