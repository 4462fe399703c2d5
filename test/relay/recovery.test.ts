// The recovery key at a relay: the copy it makes for it, and `recover`, which opens that copy again when every relay is lost.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureGatewayKey, GATEWAY_KEY_FILE, openGatewayKey } from '../../relay/gateway-key.ts';
import { makeSealingKey } from '../../relay/hpke.ts';
import { createKeyring, type Keyring } from '../../relay/keyring.ts';
import { recover } from '../../relay/recover.ts';
import { ensureVault } from '../../relay/vault.ts';
import { GatewayId, RelayNodeId, TenantId } from '../../shared/ids.ts';
import type { RecoveryBundle } from '../../shared/recovery.ts';
import { type FakeEdge, GATEWAY, SCOPE, startFakeEdge } from '../support/fake-edge.ts';
import { commandOf } from './commands.ts';
import { type TestDisk, testDisk, testLog, testPorts } from './memory-ports.ts';
import { relayFolder } from './relay-folder.ts';

const README = readFileSync(new URL('../../relay/README.md', import.meta.url), 'utf8');
const OWNER = { scope: SCOPE, gatewayId: GATEWAY };
const NOW = 1_800_000_000_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-recovery-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** As README.md says to make one; answers the public half that the last command prints. */
function makeRecoveryKey(): { readonly recoveryKey: string; readonly file: string; readonly pem: string } {
  const commands = /<!-- example: recovery key -->\n```sh\n([\s\S]*?)```/.exec(README)?.[1] ?? '';
  const recoveryKey = execFileSync('sh', ['-ec', commands], { cwd: folder, encoding: 'utf8' }).trim();
  const file = join(folder, 'recovery.pem');
  return { recoveryKey, file, pem: readFileSync(file, 'utf8') };
}

async function holder(): Promise<{ disk: TestDisk; keyring: Keyring; lines: ReturnType<typeof testLog>['lines'] }> {
  const disk = testDisk();
  const [vault, key] = [await ensureVault(disk), await ensureGatewayKey(disk, NOW)];
  if (!vault.ok || !key.ok) throw new Error('no keys');
  const { log, lines } = testLog();
  const nodeId = RelayNodeId.parse('nod_a');
  const { clock } = testPorts();
  return { disk, lines, keyring: createKeyring({ disk, vault: vault.value, nodeId, held: key.value, clock, log }) };
}

async function bundleOf(keyring: Keyring, recoveryKey: string, keyVersion = 1): Promise<RecoveryBundle> {
  const copy = await keyring.recoveryCopy({ verb: 'ensure-recovery-bundle', recoveryKey, keyVersion }, OWNER);
  if (!copy.ok) throw new Error(copy.error.code);
  return { ...copy.value, ...OWNER };
}

test('[N9] the copy shows nothing, opens by the key that README.md says to make, and lists the recovery key as a holder', async () => {
  const { recoveryKey, file, pem } = makeRecoveryKey();
  expect(recoveryKey).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const { disk, keyring, lines } = await holder();
  const bundle = await bundleOf(keyring, recoveryKey);
  const { sealing, enrolmentKey, holders } = JSON.parse(Buffer.from(disk.files.get(GATEWAY_KEY_FILE) ?? []).toString());
  for (const canary of [sealing.d, enrolmentKey]) expect(JSON.stringify(bundle)).not.toContain(canary);
  // On disk before it is answered, so that the site sees whom the console gave a copy.
  expect(holders).toMatchObject([{ nodeId: 'nod_recovery', keyAgreementKey: recoveryKey, by: 'nod_a' }]);
  expect(lines.filter((line) => line.includes('gateway-key-shared'))).toHaveLength(1);
  await bundleOf(keyring, recoveryKey);
  expect(keyring.held()?.holders).toEqual(holders);

  const empty = testDisk();
  const recovered = await recover(JSON.stringify(bundle), pem, empty);
  expect(recovered).toMatchObject({ ok: true, value: { sealingKey: sealing.x, already: false } });
  expect(await recover(JSON.stringify(bundle), pem, empty)).toMatchObject({ ok: true, value: { already: true } });
  const secret = await keyring.vault.seal(Buffer.from('canary'), OWNER, {
    ...{ purpose: 'cluster-identity', recordId: 'clu_a', version: 1 },
  });
  const held = await openGatewayKey(empty);
  if (!held.ok || held.value === null) throw new Error('not recovered');
  const opened = await held.value.open(secret, OWNER);
  expect(opened.ok && Buffer.from(opened.value).toString()).toBe('canary');
});

test('[N9] nothing opens for another gateway, tenant, version or recovery key, nor altered, nor a node’s bundle; nothing is written', async () => {
  const { recoveryKey, pem } = makeRecoveryKey();
  const { keyring } = await holder();
  const bundle = await bundleOf(keyring, recoveryKey);
  const disk = testDisk();
  const refusalOf = async (changed: unknown, key = pem): Promise<string> => {
    const recovered = await recover(typeof changed === 'string' ? changed : JSON.stringify(changed), key, disk);
    return recovered.ok ? 'recovered' : recovered.error.message;
  };
  const flipped = `${bundle.ciphertext.startsWith('A') ? 'B' : 'A'}${bundle.ciphertext.slice(1)}`;
  for (const change of [
    { gatewayId: GatewayId.parse('gw_b') },
    { scope: { ...SCOPE, tenantId: TenantId.parse('ten_b') } },
    { keyVersion: 2 },
    { ciphertext: flipped },
  ])
    expect(await refusalOf({ ...bundle, ...change })).toMatch(/^It does not open as the key of gateway gw_/);
  const order = { nodeId: RelayNodeId.parse('nod_b'), keyAgreementKey: recoveryKey, keyVersion: 1 };
  const wrapped = await keyring.wrap({ verb: 'ensure-node-key', ...order, identityFingerprint: 'a'.repeat(64) }, OWNER);
  if (!wrapped.ok) throw new Error('not wrapped');
  const { encapsulatedKey, ciphertext } = wrapped.value;
  expect(await refusalOf({ ...bundle, encapsulatedKey, ciphertext })).toContain('does not open');

  const other = await bundleOf(keyring, (await makeSealingKey()).x);
  expect(await refusalOf(other)).toMatch(/^The bundle is sealed to the recovery key \w\w:.*; the key given is \w\w:/);
  expect(await refusalOf('{"v":1')).toContain('no recovery bundle');
  expect(await refusalOf(bundle, 'no pem')).toContain('no X25519 private key');
  expect(disk.files.size).toBe(0);
  const paired = { v: 1, origin: 'https://x', codeHash: 'x', ...OWNER, gatewayName: 'edge-1', nodeId: 'nod_a' };
  const more = { commandKey: 'A'.repeat(43), tunnelPath: '/', pairedAt: NOW };
  await disk.replace('identity.json', Buffer.from(JSON.stringify({ ...paired, ...more })));
  expect(await refusalOf(bundle)).toBe('This folder is paired already, as gateway edge-1.');
  const taken = testDisk();
  await ensureGatewayKey(taken, NOW);
  const before = taken.files.get(GATEWAY_KEY_FILE);
  expect(await recover(JSON.stringify(bundle), pem, taken)).toMatchObject({ ok: false });
  expect(taken.files.get(GATEWAY_KEY_FILE)).toEqual(before);
});

test('[N9] a node that holds no key makes no copy', async () => {
  const [disk, { log }] = [testDisk(), testLog()];
  const vault = await ensureVault(disk);
  if (!vault.ok) throw new Error('no keys');
  const { clock } = testPorts();
  const parts = { disk, vault: vault.value, nodeId: RelayNodeId.parse('nod_b'), held: null, clock, log };
  const order = { verb: 'ensure-recovery-bundle', recoveryKey: (await makeSealingKey()).x, keyVersion: 1 } as const;
  expect(await createKeyring(parts).recoveryCopy(order, OWNER)).toEqual({ ok: false, error: { code: 'not-held' } });
});

test('[N9] the process makes the copy on order, without the lease; `recover` puts it into another folder, and `pair` offers it', async () => {
  const { recoveryKey, file } = makeRecoveryKey();
  const edge: FakeEdge = await startFakeEdge();
  const first = await relayFolder({ SLIPWAY_CONSOLE: edge.origin });
  const second = await relayFolder({ SLIPWAY_CONSOLE: edge.origin });
  try {
    await first.command(['pair'], edge.code);
    const lost = first.start();
    await edge.connected(1);
    edge.manners.grantsLeases = false;
    const body = { verb: 'ensure-recovery-bundle', recoveryKey, keyVersion: 1 };
    const command = commandOf(body, { clusterId: null, subject: 'recovery', deadlineAt: Date.now() + 60_000 });
    await edge.deliver([command]);
    const outcome = await edge.reportOf(command.commandId);
    if (!outcome.ok || outcome.value.verb !== 'ensure-recovery-bundle') throw new Error('no copy');
    const doctor = await first.command(['doctor', '--json']);
    expect(doctor.stdout).toContain('given to the recovery key by nod_a');
    lost.kill('SIGKILL');

    const bundle = join(folder, 'bundle.json');
    writeFileSync(bundle, JSON.stringify({ ...outcome.value.copy, ...OWNER }));
    const asked = ['recover', '--bundle', bundle, '--key', file, '--json'];
    chmodSync(file, 0o640);
    const refused = await second.command(asked);
    expect([refused.status, JSON.parse(refused.stdout).error]).toEqual([1, expect.stringContaining('chmod 600')]);
    chmodSync(file, 0o600);
    expect((await second.command(['recover', '--bundle', bundle])).status).toBe(2);
    const recovered = await second.command(asked);
    const sealingKey = edge.pairedWith[0]?.sealingKey;
    expect([recovered.status, JSON.parse(recovered.stdout)]).toEqual([
      0,
      { gatewayId: GATEWAY, keyVersion: 1, sealingKey, already: false },
    ]);
    expect(statSync(join(second.state, GATEWAY_KEY_FILE)).mode & 0o777).toBe(0o600);
    await second.command(['pair'], edge.code);
    expect(edge.pairedWith.map((request) => request.sealingKey)).toEqual([sealingKey, sealingKey]);
    expect((await second.command(asked)).status).toBe(1);
  } finally {
    await first.remove();
    await second.remove();
    await edge.stop();
  }
}, 120_000);
