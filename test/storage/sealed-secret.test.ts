// The edge's side and the relay's side of a sealed secret are written twice, since neither may import the other.
import { expect, test } from 'vitest';
import { sealSecret } from '../../functions/seal-secret.ts';
import { ensureVault } from '../../relay/vault.ts';
import { GatewayId, ProjectId } from '../../shared/ids.ts';
import { ok } from '../../shared/result.ts';
import { GATEWAY_ID, SCOPE } from './command-samples.ts';

const NAME = { purpose: 'maas-key', recordId: 'acc_test', version: 3 } as const;

async function aVault() {
  const files = new Map<string, Uint8Array>();
  const refuse = () => {
    throw new Error('the vault needs no more of a disk');
  };
  const vault = await ensureVault({
    read: async (name) => ok(files.get(name) ?? null),
    replace: async (name, bytes) => {
      files.set(name, bytes);
      return ok(null);
    },
    append: refuse,
    truncate: refuse,
  });
  if (!vault.ok) throw new Error(vault.error.code);
  return vault.value;
}

test('what the edge seals, the relay opens', async () => {
  const vault = await aVault();
  const owner = { scope: SCOPE, gatewayId: GATEWAY_ID };
  const sealed = await sealSecret({ ...owner, sealingKey: vault.sealingKey }, NAME, new TextEncoder().encode('a:b:c'));
  const opened = await vault.open(sealed, owner);
  expect(opened.ok && new TextDecoder().decode(opened.value)).toBe('a:b:c');
  expect(JSON.stringify(sealed)).not.toContain('a:b:c');
});

test('moved to another gateway, project, record or version it stays shut', async () => {
  const vault = await aVault();
  const owner = { scope: SCOPE, gatewayId: GATEWAY_ID };
  const sealed = await sealSecret({ ...owner, sealingKey: vault.sealingKey }, NAME, new TextEncoder().encode('a:b:c'));
  const moved = [
    vault.open(sealed, { ...owner, gatewayId: GatewayId.parse('gw_other') }),
    vault.open(sealed, { ...owner, scope: { ...SCOPE, projectId: ProjectId.parse('prj_other') } }),
    vault.open({ ...sealed, recordId: 'acc_other' }, owner),
    vault.open({ ...sealed, version: 4 }, owner),
    (await aVault()).open(sealed, owner),
  ];
  for (const opened of await Promise.all(moved)) expect(opened).toEqual({ ok: false, error: 'unreadable' });
});
