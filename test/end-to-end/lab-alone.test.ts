// The lab alone, and a relay pointed at it by hand as at one's own MAAS (README, "Your own MAAS"): only what the lab prints is used.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { kubernetesNodes } from '../demo/kubernetes-nodes.ts';
import { defaultInventory } from '../lab/inventory.ts';
import { apiClient } from '../support/api-client.ts';
import { freePort, startControlPlane } from '../support/control-plane.ts';
import { ownLoopback } from '../support/own-loopback.ts';
import { pairRelay, type RelaySettings, runRelay } from '../support/relay-process.ts';
import { until } from '../support/until.ts';
import { runProgram } from './run-program.ts';
import { tempStateDir } from './scene.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

test('a relay that was never told of the lab deploys a cluster on it', async () => {
  const stateDir = tempStateDir();
  ends.push(() => rmSync(stateDir, { recursive: true, force: true }));
  // JSON is YAML: a lab.yaml of four machines, on a network of its own.
  const inventory = join(stateDir, 'lab.yaml');
  mkdirSync(stateDir, { recursive: true });
  writeFileSync(inventory, JSON.stringify(defaultInventory({ machines: 4, loopback: await ownLoopback() })));
  const lab = runProgram(['test/lab/main.ts', '--inventory', inventory]);
  ends.push(() => lab.interrupt('SIGKILL'));
  const [, endpoint = ''] = await lab.printed(/^MAAS +(\S+)$/m, 20_000);
  const [, apiKey = ''] = await lab.printed(/^user +slipway +key (\S+)$/m, 5_000);
  await lab.printed(/^4 machines, played by the simulated driver/m, 5_000);

  const controlPlane = await startControlPlane({ stateDir: join(stateDir, 'edge') });
  ends.push(() => controlPlane.close());
  const { apiKey: slipwayKey } = await apiClient(controlPlane.url, '').setup(controlPlane.setupSecret);
  const api = apiClient(controlPlane.url, slipwayKey.key);
  const gateway = await api.createGateway('dc-1');
  const settings: RelaySettings = {
    stateDir: join(stateDir, 'relay'),
    consoleUrl: controlPlane.url,
    enrolment: `127.0.0.1:${await freePort()}`,
    log: () => {},
  };
  await pairRelay(settings, gateway.pairingCode);
  const relay = runRelay(settings);
  ends.push(() => relay.stop());
  await until(20_000, 'the relay to connect', async () => (await api.gateway(gateway.id)).phase === 'connected');
  const account = await api.createAccount({ name: 'maas', gatewayId: gateway.id, endpoint, apiKey });
  expect([account.maasUser, account.isAdmin]).toEqual(['slipway', false]);

  const { id } = await api.createCluster({ name: 'first', profileId: 'pro_maas', accountId: account.id });
  const running = await until(60_000, 'the cluster to run', async () => {
    const view = await api.cluster(id);
    return view.phase === 'running' ? view : null;
  });
  expect((await kubernetesNodes(api, running)).map(({ ready }) => ready)).toEqual([true, true]);
  await api.deleteCluster(id, 'first');
  await until(60_000, 'the cluster to be gone', async () => (await api.cluster(id)).phase === 'deleted');

  lab.interrupt('SIGTERM');
  expect(await lab.ended).toBe(0);
  await lab.allGone();
});
