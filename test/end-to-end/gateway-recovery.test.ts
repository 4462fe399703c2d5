// A gateway whose only relay is lost with its disk: its recovery key brings the gateway's key back through the console, and what
// was sealed before is good.
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { GatewayView } from '../../shared/gateway-view.ts';
import { AccountFacts } from '../../shared/inventory.ts';
import { PairingCode } from '../../shared/pairing.ts';
import { RecoveryBundle } from '../../shared/recovery.ts';
import { connectedAccount } from '../support/connected-account.ts';
import { freePort } from '../support/control-plane.ts';
import { pairRelay, type RelayProcess, type RelaySettings, runRelay } from '../support/relay-process.ts';
import { type Site, startSite } from '../support/site.ts';
import { until } from '../support/until.ts';
import { inventoryOf, tempStateDir } from './scene.ts';

const MAIN = fileURLToPath(new URL('../../relay/main.ts', import.meta.url));
const Made = GatewayView.extend({ pairingCode: PairingCode, pairingCodeExpiresAt: z.int() });
const Code = z.object({ pairingCode: PairingCode });

const folder = tempStateDir();
let site: Site;
let relay: RelayProcess | null = null;
beforeAll(async () => {
  const place = { stateDir: folder, address: '127.0.0.1' };
  site = await startSite({
    ...{ ...place, inventory: await inventoryOf({ machines: 1 }), driver: 'simulated', log: () => undefined },
  });
});
afterAll(async () => {
  await relay?.stop();
  await site.close();
  rmSync(folder, { recursive: true, force: true });
});

async function relayIn(name: string): Promise<RelaySettings> {
  const enrolment = `127.0.0.1:${await freePort()}`;
  return { stateDir: join(folder, name), consoleUrl: site.controlPlane.url, enrolment, log: () => undefined };
}

test('[N9] every relay is lost: the bundle and the recovery key make the next one active, and sealed keys open again', async () => {
  const { api, lab } = site;
  const { privateKey } = generateKeyPairSync('x25519');
  const recoveryKey = privateKey.export({ format: 'jwk' }).x;
  const [keyFile, bundleFile] = [join(folder, 'recovery.pem'), join(folder, 'bundle.json')];
  writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const gateway = await api.raw(Made, 'POST', '/gateways', { name: 'lost', recoveryKey });
  const first = await relayIn('first');
  await pairRelay(first, gateway.pairingCode);
  relay = runRelay(first);
  const account = await connectedAccount(api, gateway.id, lab);
  const path = `/gateways/${gateway.id}`;
  const made = await until(30_000, 'a recovery bundle', async () => (await api.gateway(gateway.id)).recovery);
  expect(made.keyVersion).toBe(1);

  relay.kill('SIGKILL');
  await relay.ended;
  rmSync(first.stateDir, { recursive: true });
  const bundle = await api.raw(RecoveryBundle, 'GET', `${path}/recovery-bundle`);
  expect(bundle).toMatchObject({ recoveryKey, gatewayId: gateway.id });
  writeFileSync(bundleFile, JSON.stringify(bundle));
  const second = await relayIn('second');
  const environment = { PATH: process.env.PATH, SLIPWAY_STATE_DIR: second.stateDir };
  execFileSync(process.execPath, [MAIN, 'recover', '--bundle', bundleFile, '--key', keyFile], { env: environment });
  const { pairingCode } = await api.raw(Code, 'POST', `${path}/pairing-code`, {});
  await pairRelay(second, pairingCode);
  relay = runRelay(second);
  await until(30_000, 'the second relay to lead', async () => {
    const { nodes } = await api.gateway(gateway.id);
    return nodes.some(({ leader, state }) => leader && state === 'active' && nodes.length === 2);
  });
  // The MAAS key was sealed for the first.
  await api.raw(AccountFacts, 'POST', `/cloud-accounts/${account.id}/validate`, {});
}, 180_000);
