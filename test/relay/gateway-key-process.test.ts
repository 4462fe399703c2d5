// The real process gives the gateway's key on when the console's signed order says so, and its doctor tells the site whom to.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureVault } from '../../relay/vault.ts';
import { type FakeEdge, startFakeEdge } from '../support/fake-edge.ts';
import { commandOf } from './commands.ts';
import { testDisk } from './memory-ports.ts';
import { relayFolder } from './relay-folder.ts';

let edge: FakeEdge;
let relay: Awaited<ReturnType<typeof relayFolder>>;

beforeEach(async () => {
  edge = await startFakeEdge();
  relay = await relayFolder({ SLIPWAY_CONSOLE: edge.origin });
});
afterEach(async () => {
  await relay.remove();
  await edge.stop();
});

const gatewayKeyCheck = async (): Promise<{ status: string; detail: string } | undefined> => {
  const { checks } = JSON.parse((await relay.command(['doctor', '--json'])).stdout);
  return checks.find(({ name }: { name: string }) => name === 'gateway key');
};

test('[N3] [N5] it tells what it holds, wraps the key on order, and doctor names the node by its fingerprint', async () => {
  expect((await relay.command(['pair'], edge.code)).status).toBe(0);
  expect(await gatewayKeyCheck()).toEqual(expect.objectContaining({ status: 'ok', detail: 'held here' }));
  const process = relay.start();
  await edge.connected(1);
  const file = JSON.parse(await readFile(join(relay.state, 'gateway-key.json'), 'utf8'));
  const told = await edge.until('the node’s status', () =>
    edge.heard.flatMap(({ frame }) => (frame.type === 'node-status' ? [frame] : [])).at(-1),
  );
  expect(told.sealingKey).toBe(file.sealing.x);
  expect(told.addresses.length).toBeGreaterThan(0);
  const newcomer = await ensureVault(testDisk());
  if (!newcomer.ok) throw new Error(newcomer.error.detail);
  const order = { nodeId: 'nod_b', keyAgreementKey: newcomer.value.sealingKey, keyVersion: 1 };
  const body = { verb: 'ensure-node-key', ...order, identityFingerprint: 'ab'.repeat(32) };
  const command = commandOf(body, { clusterId: null, subject: 'nod_b', deadlineAt: Date.now() + 60_000 });
  // Not the console's: nothing is wrapped for it, and the session ends.
  await edge.deliver([command], (payload) => payload.replace('nod_b', 'nod_x'));
  await edge.connected(2);
  await edge.deliver([command]);
  expect(await edge.reportOf(command.commandId)).toMatchObject({ ok: true, value: { wrapped: { nodeId: 'nod_b' } } });
  expect(process.lines.filter(({ event }) => event === 'gateway-key-shared')).toHaveLength(1);
  const check = await gatewayKeyCheck();
  expect(check?.status).toBe('ok');
  expect(check?.detail).toContain(`given to nod_b by nod_a`);
  expect(check?.detail).toContain('ab:ab:ab:ab');
  expect(JSON.stringify(process.lines)).not.toContain(file.sealing.d);
  expect(await readFile(join(relay.state, 'journal.log'), 'utf8')).not.toContain(file.sealing.d);
});
