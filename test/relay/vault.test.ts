import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDisk } from '../../relay/adapters/node-disk.ts';
import { lockState } from '../../relay/adapters/state-lock.ts';
import { ensureVault, KEYS_FILE, keepSecret, openVault, verifySignature } from '../../relay/vault.ts';
import { GatewayId, TenantId } from '../../shared/ids.ts';
import { GATEWAY, SCOPE } from '../support/fake-edge.ts';
import { testDisk } from './memory-ports.ts';

const OWNER = { scope: SCOPE, gatewayId: GATEWAY };
const ABOUT = { purpose: 'cluster-identity', recordId: 'clu_a', version: 1 } as const;
const PLAIN = new TextEncoder().encode('a secret');

async function vaultOn(disk = testDisk()) {
  const vault = await ensureVault(disk);
  if (!vault.ok) throw new Error(vault.error.detail);
  return vault.value;
}

test('keys are made once and are the same ever after', async () => {
  const disk = testDisk();
  const first = await vaultOn(disk);
  const second = await vaultOn(disk);
  expect([second.identityKey, second.sealingKey]).toEqual([first.identityKey, first.sealingKey]);
  expect((await vaultOn()).identityKey).not.toBe(first.identityKey);
  expect(await verifySignature(first.identityKey, 'text', await second.sign('text'))).toBe(true);
  expect(await verifySignature(first.identityKey, 'other', await second.sign('text'))).toBe(false);
});

test('opens what was sealed to it, for the same owner, record, purpose and version only', async () => {
  const vault = await vaultOn();
  const sealed = await vault.seal(PLAIN, OWNER, ABOUT);
  expect(await vault.open(sealed, OWNER)).toEqual({ ok: true, value: PLAIN });
  const other = { ok: false, error: 'unreadable' };
  const foreign = { ...SCOPE, tenantId: TenantId.parse('ten_b') };
  expect(await vault.open(sealed, { ...OWNER, scope: foreign })).toEqual(other);
  expect(await vault.open(sealed, { ...OWNER, gatewayId: GatewayId.parse('gw_b') })).toEqual(other);
  expect(await vault.open({ ...sealed, recordId: 'clu_b' }, OWNER)).toEqual(other);
  expect(await vault.open({ ...sealed, version: 2 }, OWNER)).toEqual(other);
  expect(await vault.open({ ...sealed, purpose: 'maas-key' }, OWNER)).toEqual(other);
  expect(await vault.open({ ...sealed, encapsulatedKey: 'AA' }, OWNER)).toEqual(other);
  expect(await (await vaultOn()).open(sealed, OWNER)).toEqual(other);
});

test('a damaged key file is said and never overwritten', async () => {
  const disk = testDisk();
  await disk.replace(KEYS_FILE, Buffer.from('{"v":1'));
  expect(await ensureVault(disk)).toMatchObject({ ok: false, error: { code: 'damaged' } });
  expect(Buffer.from(disk.files.get(KEYS_FILE) ?? []).toString()).toBe('{"v":1');
});

test('on a real disk secrets are 0600, survive, and leave no half-written file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-vault-'));
  const opened = await openDisk(join(folder, 'state'));
  if (!opened.ok) throw new Error(opened.error.detail);
  const disk = opened.value;
  const made = await keepSecret(disk, 'enrolment-key', () => new Uint8Array([1, 2, 3]));
  expect(await keepSecret(disk, 'enrolment-key', () => new Uint8Array([9]))).toEqual(made);
  expect((await stat(join(folder, 'state', 'enrolment-key'))).mode & 0o777).toBe(0o600);
  await disk.append('log', Buffer.from('one'));
  await disk.append('log', Buffer.from('two'));
  await disk.truncate('log', 4);
  expect(await readFile(join(folder, 'state', 'log'), 'utf8')).toBe('onet');
  await writeFile(join(folder, 'state', '.journal.new'), 'half');
  lockState(join(folder, 'state'))?.();
  expect((await readdir(join(folder, 'state'))).filter((name) => name.endsWith('.new'))).toEqual([]);
  await writeFile(join(folder, 'plain'), '');
  expect(await openDisk(join(folder, 'plain', 'state'))).toMatchObject({ ok: false, error: { code: 'broken' } });
  expect(await openVault(disk)).toEqual({ ok: true, value: null });
  await rm(folder, { recursive: true });
});
