// A gateway of three machines from the start: asked for at a terminal, where there is one. The installer is ended in the middle,
// as an impatient person would, and the same command carries on: nothing is taken twice. One machine of the three may be lost.
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PROMPTS } from '../../relay/install/prompts.ts';
import { LAB_USER } from '../lab/lab.ts';
import { switchOff } from '../lab/maas/power.ts';
import { DOWN, noTerminal, openTerminal } from '../relay-install/terminal.ts';
import { until } from '../support/until.ts';
import { callsOf } from './claims.ts';
import { type GatewayScene, openGatewayScene, type Pcg, servesOn } from './gateway-scene.ts';
import { clusterStory } from './scene.ts';

const NAME = 'trio';
const PASSPHRASE = 'correct horse battery';
const NETWORKS = ['--pod_cidr', '10.244.0.0/16', '--svc_ip_range', '10.96.0.0/16'];
const NO_PROXIES = ['--https_proxy', '', '--http_proxy', ''];

let scene: GatewayScene;
let pcg: Pcg;
beforeAll(async () => {
  scene = await openGatewayScene(5);
});
afterAll(() => scene.close());

/** By the interview; without a pseudo-terminal, from a file as a script would write it. */
async function answered(): Promise<Pcg> {
  const { pairingCode } = await scene.api.createGateway(NAME);
  if (noTerminal() !== undefined) return scene.pcg({ name: NAME, nodes: 3, pairingCode });
  const out = join(scene.stateDir, 'answered');
  mkdirSync(out);
  const at = openTerminal(['-o', 'true', '--out', out, ...NETWORKS, ...NO_PROXIES], {
    SLIPWAY_CONSOLE: scene.controlPlane.url,
  });
  try {
    await at.answer(
      [PROMPTS.console, ''],
      [PROMPTS.joining, ''],
      [PROMPTS.pairingCode, pairingCode],
      [PROMPTS.maasEndpoint, scene.lab.url],
      [PROMPTS.maasKey, scene.lab.userKey],
      [PROMPTS.zone, ''],
      [PROMPTS.flavour, ''],
      [PROMPTS.nodes, DOWN],
      [PROMPTS.name, NAME],
      [PROMPTS.passphrase, PASSPHRASE],
      [PROMPTS.passphraseAgain, PASSPHRASE],
    );
    expect(await at.ended, at.transcript()).toBe(0);
  } finally {
    at.kill();
  }
  const [folder = ''] = readdirSync(out);
  return scene.pcgAt(join(out, folder, 'pcg.yaml'), { SLIPWAY_PASSPHRASE: PASSPHRASE });
}

test('three machines serve after an install that was asked for, interrupted and run again', async () => {
  pcg = await answered();
  const interrupted = pcg.begin('install');
  await until(60_000, 'a first machine to be taken', () => callsOf(scene.lab.history, 'machines.allocate').length > 0);
  interrupted.interrupt();
  expect(await interrupted.ended, interrupted.lines.join('\n')).not.toBe(0);
  expect(interrupted.lines.join('\n')).toContain('carries on');

  await pcg.finish('install');
  const view = await scene.gatewayNamed(NAME);
  expect(servesOn(view, 3), JSON.stringify(view, null, 1)).toBe(true);
  expect(view.machines?.machines.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
  expect(new Set(view.machines?.machines.map(({ zone }) => zone)).size).toBe(3);
  // Each tells machines its own address, then the one that is on any of them.
  const [virtual, ...others] = new Set(view.nodes.map(({ enrolmentAddresses }) => enrolmentAddresses[1]));
  expect([view.nodes.map(({ enrolmentAddresses }) => enrolmentAddresses.length), others]).toEqual([[2, 2, 2], []]);
  expect(virtual).toMatch(/:8443$/);
  expect(callsOf(scene.lab.history, 'machines.allocate')).toHaveLength(3);
  expect((await scene.api.gateways()).items).toHaveLength(1);
});

test('the machine whose relay leads loses power in the middle of a create: another carries on, and the gateway says whom it misses', async () => {
  const [account] = (await scene.api.accounts()).items;
  if (account === undefined) throw new Error('the installer made no account');
  const { api, lab, log } = scene;
  const { create, reach, remove } = clusterStory({ api, lab, account }, log);
  const pools = [{ name: 'cp', role: 'control-plane', size: 1, allowWorkloads: true }];
  const cluster = await create('survives', { pools });
  await until(30_000, 'its machine to be taken', () => callsOf(lab.history, 'machines.allocate').length === 4);
  const led = await scene.gatewayNamed(NAME);
  const leader = led.nodes.find((node) => node.leader);
  const own = led.machines?.machines.find(({ address }) => leader?.enrolmentAddresses.includes(`${address}:8443`));
  const machine = lab.region.machines.get(own?.systemId ?? '');
  if (machine === undefined) throw new Error(`no machine has the leader: ${JSON.stringify(led)}`);
  switchOff(lab.region, machine, () => undefined);

  await reach(cluster.id, 'running');
  const view = await scene.untilGateway(NAME, 'the missing relay to be told', (seen) =>
    seen.machines?.waitingOn.some(({ code, slot }) => code === 'RELAY_AWAY' && slot === own?.slot) ? seen : null,
  );
  expect([view.phase, view.machines?.phase]).toEqual(['connected', 'running']);
  expect(view.nodes.filter(({ connected }) => connected)).toHaveLength(2);
  await remove(cluster.id);
});

test('it is given back whole, the machine without power too, by an uninstall that is killed and run again', async () => {
  const killed = pcg.begin('uninstall');
  const released = (): number => callsOf(scene.lab.history, 'machine.release').length;
  const before = released();
  await until(60_000, 'a first machine to go back', () => released() > before);
  killed.kill();
  expect(await killed.ended).toBe('SIGKILL');
  await pcg.finish('uninstall');
  expect(scene.lab.leftovers(LAB_USER)).toEqual({ machines: 0, addresses: 0, dnsRecords: 0 });
  expect((await scene.api.gateways()).items).toEqual([]);
  expect((await scene.api.accounts()).items).toEqual([]);
});
