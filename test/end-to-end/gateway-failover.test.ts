// Two real relays on one gateway. The one that leads is killed, or stopped for a minute, in the middle of a create; nobody does
// anything; the other one carries on, and nothing is done twice or left behind.
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import type { GatewayView } from '../../shared/gateway-view.ts';
import { ClusterId } from '../../shared/ids.ts';
import { LAB_USER } from '../lab/lab.ts';
import { freePort } from '../support/control-plane.ts';
import { pairRelay, type RelayProcess, type RelaySettings, runRelay } from '../support/relay-process.ts';
import { until } from '../support/until.ts';
import { breachesOf, callsOf } from './claims.ts';
import { openScene, type Scene } from './scene.ts';

/** features G14: a standby acts within 20 s. */
const ACTS_MS_MAX = 20_000;
const PAUSE_MS = 60_000;
const SLOW = { deployMs: 4_000, powerOnMs: 200 };
const Code = z.object({ pairingCode: z.string(), pairingCodeExpiresAt: z.int() });

type Both = { readonly scene: Scene; readonly settings: RelaySettings; second: RelayProcess };
const open: Both[] = [];

afterEach(async () => {
  for (const { scene, second } of open.splice(0)) {
    scene.relay().kill('SIGCONT');
    await second.stop();
    await scene.close();
  }
}, 60_000);

/** The first relay leads; a second one has paired, was given the key, and stands by. */
async function twoRelays(): Promise<Both> {
  const scene = await openScene({ machines: 4, timings: SLOW });
  const { api, gateway } = scene;
  const settings: RelaySettings = {
    stateDir: join(scene.stateDir, 'relay-2'),
    consoleUrl: scene.controlPlane.url,
    enrolment: `127.0.0.1:${await freePort()}`,
    log: () => undefined,
  };
  const { pairingCode } = await api.raw(Code, 'POST', `/gateways/${gateway.id}/pairing-code`, {});
  await pairRelay(settings, pairingCode);
  const both = { scene, settings, second: runRelay(settings) };
  open.push(both);
  const view = await until(30_000, 'the second relay to hold the key', async () => {
    const seen = await api.gateway(gateway.id);
    const serves = (node: GatewayView['nodes'][number]): boolean =>
      node.state === 'active' && node.connected && node.enrolmentAddresses.length > 0;
    return seen.nodes.length === 2 && seen.nodes.every(serves) ? seen : null;
  });
  expect(leaderOf(view)).toBe(view.nodes[0]?.nodeId);
  expect(view.nodes.map(({ enrolmentAddresses }) => enrolmentAddresses)).toEqual([
    [scene.relaySettings.enrolment],
    [settings.enrolment],
  ]);
  return both;
}

const leaderOf = (view: GatewayView): string | undefined => view.nodes.find(({ leader }) => leader)?.nodeId;

/** Calls of ours that changed something. */
const changes = ({ lab }: Scene): number =>
  lab.history.filter(
    ({ caller, status, operation }) => caller === LAB_USER && status < 300 && !/read|list/.test(operation),
  ).length;

async function midCreate(scene: Scene): Promise<string> {
  const cluster = await scene.create('survives');
  await until(30_000, 'both machines to be taken', () => callsOf(scene.lab.history, 'machines.allocate').length === 2);
  return cluster.id;
}

function expectNothingTwice(scene: Scene, id: string): void {
  expect(breachesOf(scene.lab.history, [ClusterId.parse(id)])).toEqual([]);
  expect(callsOf(scene.lab.history, 'machines.allocate')).toHaveLength(2);
  expect(callsOf(scene.lab.history, 'machine.deploy')).toHaveLength(2);
}

test('the leader is killed in the middle of a create: the standby finishes it, and deletes it', async () => {
  const { scene } = await twoRelays();
  const { api, gateway } = scene;
  const id = await midCreate(scene);
  const standby = (await api.gateway(gateway.id)).nodes[1]?.nodeId;
  const killedAt = performance.now();
  scene.relay().kill('SIGKILL');
  await until(ACTS_MS_MAX, 'the standby to lead', async () => leaderOf(await api.gateway(gateway.id)) === standby);
  await scene.reach(id, 'running', 90_000);
  expect(performance.now() - killedAt).toBeLessThan(90_000);
  expectNothingTwice(scene, id);
  await scene.remove(id);
  expect(scene.held()).toBe(0);
}, 240_000);

test('the leader is stopped for a minute in the middle of a create: the standby acts within 20 s, and the leader that wakes does nothing', async () => {
  const { scene } = await twoRelays();
  const { api, gateway } = scene;
  const id = await midCreate(scene);
  const standby = (await api.gateway(gateway.id)).nodes[1]?.nodeId;
  const stoppedAt = performance.now();
  scene.relay().kill('SIGSTOP');
  const before = (await scene.timeline(id)).length;
  await until(ACTS_MS_MAX, 'the standby to lead', async () => leaderOf(await api.gateway(gateway.id)) === standby);
  // Whether MAAS or only the machines have to be spoken to depends on the moment; the cluster goes on in either case.
  await until(
    ACTS_MS_MAX - (performance.now() - stoppedAt),
    'the standby to act',
    async () => (await scene.timeline(id)).length > before,
  );
  // Each report of a machine is first held up by the relay that is stopped.
  await scene.reach(id, 'running', 180_000);
  await until(PAUSE_MS, 'the minute to be over', () => performance.now() - stoppedAt >= PAUSE_MS);
  const atWake = changes(scene);
  scene.relay().kill('SIGCONT');
  await until(30_000, 'the first relay to be back as standby', async () => {
    const view = await api.gateway(gateway.id);
    return leaderOf(view) === standby && view.nodes.every(({ connected }) => connected);
  });
  expectNothingTwice(scene, id);
  expect(changes(scene)).toBe(atWake);
  await scene.remove(id);
  expect(scene.held()).toBe(0);
}, 300_000);
