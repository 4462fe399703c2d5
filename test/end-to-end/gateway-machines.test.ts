// A gateway's whole life on machines of MAAS, by the real program: installed silently on one machine, used through its own
// default account, grown to three, kept while a cluster stands, and given back whole.
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { GatewayView } from '../../shared/gateway-view.ts';
import { ClusterId } from '../../shared/ids.ts';
import { LAB_USER } from '../lab/lab.ts';
import { ApiProblem } from '../support/api-client.ts';
import { writePcgFile } from '../support/gateway-installer.ts';
import { breachesOf, callsOf } from './claims.ts';
import { type GatewayScene, openGatewayScene, type Pcg, servesOn } from './gateway-scene.ts';
import { type ClusterStory, clusterStory } from './scene.ts';

const NAME = 'edge-1';
const SMALL = { pools: [{ name: 'cp', role: 'control-plane', size: 1, allowWorkloads: true }] };

let scene: GatewayScene;
let pcg: Pcg;
beforeAll(async () => {
  scene = await openGatewayScene(6);
  pcg = await scene.pcg({ name: NAME, nodes: 1 });
});
afterAll(() => scene.close());

const allocations = (): number => callsOf(scene.lab.history, 'machines.allocate').length;
const gateway = (): Promise<GatewayView> => scene.gatewayNamed(NAME);

async function story(): Promise<ClusterStory> {
  const account = (await scene.api.accounts()).items.find(({ gatewayId, name }) => gatewayId !== '' && name === NAME);
  if (account === undefined) throw new Error('the installer made no account');
  const { api, lab } = scene;
  return clusterStory({ api, lab, account }, scene.log);
}

async function refusalOf(call: Promise<unknown>): Promise<ApiProblem['problem']> {
  const answer: unknown = await call.then(
    () => 'no problem',
    (error: unknown) => error,
  );
  if (!(answer instanceof ApiProblem)) throw new Error(`expected a refusal, got ${String(answer)}`);
  return answer.problem;
}

test('a silent install takes one machine, hands over to the relay on it, and leaves nothing of its own', async () => {
  const lines = await pcg.finish('install');
  const view = await gateway();
  expect(servesOn(view, 1)).toBe(true);
  expect(view.machines).toMatchObject({ size: 1, waitingOn: [], machines: [{ slot: 'gateway-0', phase: 'ready' }] });
  expect(allocations()).toBe(1);
  expect(scene.lab.leftovers(LAB_USER)).toEqual({ machines: 1, addresses: 1, dnsRecords: 1 });
  const machine = view.machines?.machines[0];
  expect(lines.join('\n')).toMatch(
    new RegExp(`machine gateway-0 \\(${machine?.hostname}\\): ready[\\s\\S]*taken over`),
  );
  // The temporary relay's keys are gone with its folder, and the gateway is no cluster of the user's.
  expect(readdirSync(pcg.folder)).not.toContain('state');
  expect((await scene.api.clusters()).items).toEqual([]);
  expect((await scene.api.accounts()).items.map(({ name }) => name)).toEqual([NAME]);
});

test('installed once more it says what stands and takes nothing; another file of that name is refused', async () => {
  const { id, machines } = await gateway();
  const [hostname, taken] = [machines?.machines[0]?.hostname, allocations()];
  const lines = (await pcg.finish('install')).join('\n');
  expect(lines).toContain(`Gateway ${NAME} (${id}) was installed from this file`);
  expect(lines).toMatch(new RegExp(`gateway-0: ${hostname}, ready, relay nod_\\w+, connected`));
  const folder = join(scene.stateDir, 'other');
  mkdirSync(folder);
  const run = (await scene.pcgAt(writePcgFile(scene, folder, { name: NAME, nodes: 1 }), {})).begin('install');
  expect(await run.ended).toBe(1);
  expect(run.lines.join('\n')).toContain('GATEWAY_NAME_TAKEN');
  expect([allocations(), readdirSync(pcg.folder).includes('state')]).toEqual([taken, false]);
});

test('a cluster is made and deleted through the gateway’s own machine and its default account', async () => {
  const { create, reach, remove } = await story();
  const created = await create('through', SMALL);
  await reach(created.id, 'running');
  await remove(created.id);
  expect(scene.lab.leftovers(LAB_USER)).toEqual({ machines: 1, addresses: 1, dnsRecords: 1 });
});

test('growing to three takes exactly two machines, one after another, and never touches the first', async () => {
  const before = await gateway();
  const first = before.machines?.machines[0];
  const [from, taken, transitions] = [scene.lab.history.length, allocations(), scene.lab.transitions.length];
  const resized = await scene.api.resizeGateway(before.id, 3);
  expect(resized.machines).toMatchObject({ size: 3, phase: 'updating' });
  const grown = await scene.untilGateway(NAME, 'three machines to serve', (view) => servesOn(view, 3) && view);

  expect(allocations()).toBe(taken + 2);
  const calls = scene.lab.history.slice(from);
  expect(calls.filter(({ machine }) => machine === first?.systemId)).toEqual([]);
  expect(scene.lab.transitions.slice(transitions).filter(({ machine }) => machine === first?.systemId)).toEqual([]);
  expect(grown.machines?.machines[0]).toMatchObject({ slot: first?.slot, attempt: first?.attempt, phase: 'ready' });
  expect(grown.nodes.map(({ nodeId }) => nodeId)).toContain(before.nodes[0]?.nodeId);
  // The third machine is claimed only when the second has joined.
  const [, third] = callsOf(calls, 'machines.allocate');
  const second = callsOf(calls, 'machines.allocate')[0]?.machine;
  const joined = scene.lab.delays.find(({ machine, kind }) => machine === second && kind === 'kubeadm-join');
  expect(third?.atMs).toBeGreaterThanOrEqual(joined?.endMs ?? Number.POSITIVE_INFINITY);

  expect((await refusalOf(scene.api.resizeGateway(before.id, 1))).code).toBe('GATEWAY_SHRINK_UNSUPPORTED');
  await scene.api.resizeGateway(before.id, 3);
  expect(allocations()).toBe(taken + 2);
});

test('it is not deleted while a cluster stands, nor given up while it can be reached; then it goes whole', async () => {
  const { create, reach, remove } = await story();
  const { id, machines } = await gateway();
  const cluster = await create('stands', SMALL);
  await reach(cluster.id, 'running');
  const refused = await refusalOf(scene.api.deleteGateway(id));
  expect([refused.code, JSON.stringify(refused)]).toEqual([
    'GATEWAY_HAS_CLUSTERS',
    expect.stringContaining(cluster.id),
  ]);
  expect(JSON.stringify(refused)).not.toContain(machines?.clusterId);
  await remove(cluster.id);
  expect((await refusalOf(scene.api.deleteGateway(id, '?orphan=true'))).code).toBe('GATEWAY_REACHABLE');

  await pcg.finish('uninstall');
  expect(scene.lab.leftovers(LAB_USER)).toEqual({ machines: 0, addresses: 0, dnsRecords: 0 });
  expect((await scene.api.gateways()).items).toEqual([]);
  expect((await scene.api.accounts()).items).toEqual([]);
  expect((await refusalOf(scene.api.gateway(id))).code).toBe('NOT_FOUND');
  expect(existsSync(join(pcg.folder, 'state'))).toBe(false);
  const clusters = new Set(scene.lab.history.flatMap(({ claim }) => claim?.split('/')[2] ?? []));
  expect(clusters.size).toBe(3);
  expect(
    breachesOf(
      scene.lab.history,
      [...clusters].map((one) => ClusterId.parse(one)),
    ),
  ).toEqual([]);
});
