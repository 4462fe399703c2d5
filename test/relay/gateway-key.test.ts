import { expect, test } from 'vitest';
import { ensureEndpointCertificate, makeEnrolmentAuthority } from '../../relay/enrolment/endpoint-certificate.ts';
import {
  ensureGatewayKey,
  forgetGatewayKey,
  GATEWAY_KEY_FILE,
  openGatewayKey,
  takeFormerKey,
} from '../../relay/gateway-key.ts';
import { createKeyring } from '../../relay/keyring.ts';
import { createNodeStatus } from '../../relay/tunnel/node-status.ts';
import { ensureVault } from '../../relay/vault.ts';
import type { BodyOf } from '../../shared/command.ts';
import { GatewayId, RelayNodeId, TenantId } from '../../shared/ids.ts';
import type { RelayFrame } from '../../shared/tunnel-frame.ts';
import { GATEWAY, SCOPE } from '../support/fake-edge.ts';
import { testDisk, testLog, testPorts } from './memory-ports.ts';

const OWNER = { scope: SCOPE, gatewayId: GATEWAY };
const ORDER = { number: 0, serverName: 'enrolment.slipway.internal' };
const NOW = 1_800_000_000_000;
const ABOUT = { purpose: 'cluster-identity', recordId: 'clu_a', version: 1 } as const;

/** A node with its own keys; the first one also makes the gateway's. */
async function node(name: string, isFirst: boolean) {
  const disk = testDisk();
  const vault = await ensureVault(disk);
  if (!vault.ok) throw new Error(vault.error.detail);
  const key = isFirst ? await ensureGatewayKey(disk, NOW) : await openGatewayKey(disk);
  if (!key.ok) throw new Error(key.error.detail);
  const { log, lines } = testLog();
  const nodeId = RelayNodeId.parse(name);
  const { clock } = testPorts();
  const keyring = createKeyring({ disk, vault: vault.value, nodeId, held: key.value, clock, log });
  return { disk, vault: vault.value, nodeId, keyring, lines };
}
type Node = Awaited<ReturnType<typeof node>>;

const orderFor = ({ nodeId, vault }: Node, keyVersion = 1): BodyOf<'ensure-node-key'> => ({
  ...{ verb: 'ensure-node-key', nodeId, keyAgreementKey: vault.sealingKey },
  ...{ identityFingerprint: 'a'.repeat(64), keyVersion },
});

async function wrappedFor(holder: Node, newcomer: Node, keyVersion = 1): Promise<BodyOf<'ensure-gateway-key'>> {
  const wrapped = await holder.keyring.wrap(orderFor(newcomer, keyVersion), OWNER);
  const sealingKey = holder.keyring.held()?.sealingKey;
  if (!wrapped.ok || sealingKey === undefined) throw new Error('not wrapped');
  return { verb: 'ensure-gateway-key', wrapped: wrapped.value, sealingKey };
}

test('[N3] [N4] the key goes from the first node to a second and on to a third, whole: each opens what another sealed', async () => {
  const first = await node('nod_a', true);
  const second = await node('nod_b', false);
  const third = await node('nod_c', false);
  expect(second.keyring.held()).toBeNull();
  expect((await second.keyring.adopt(await wrappedFor(first, second), OWNER)).ok).toBe(true);
  expect((await third.keyring.adopt(await wrappedFor(second, third), OWNER)).ok).toBe(true);
  const sealed = await first.keyring.vault.seal(new TextEncoder().encode('canary'), OWNER, ABOUT);
  const opened = await third.keyring.vault.open(sealed, OWNER);
  expect(opened.ok && new TextDecoder().decode(opened.value)).toBe('canary');
  const [one, three] = [first.keyring.held(), third.keyring.held()];
  expect(three?.enrolmentKey).toEqual(one?.enrolmentKey);
  expect(three?.authority).toEqual(one?.authority);
  // Machines pin one authority, whichever relay they reach.
  const certificates = await Promise.all(
    [first, third].map(({ disk, keyring }) => {
      const given = keyring.held()?.authority;
      if (given === undefined) throw new Error('not held');
      return ensureEndpointCertificate(disk, NOW, { given, ...ORDER });
    }),
  );
  const [own, other] = certificates.map((made) => (made.ok ? made.value : null));
  expect(own?.authorityPem).toBe(other?.authorityPem);
  expect(own?.endpoint.certPem).not.toBe(other?.endpoint.certPem);
  // It outlives a restart, and says whom it was given to.
  const again = await openGatewayKey(third.disk);
  expect(again.ok && again.value?.holders.map(({ nodeId, by }) => [nodeId, by])).toEqual([
    ['nod_b', 'nod_a'],
    ['nod_c', 'nod_b'],
  ]);
});

test('[N3] a bundle shows nothing, and opens for no other node, gateway, tenant or version, nor altered', async () => {
  const first = await node('nod_a', true);
  const [second, stranger] = [await node('nod_b', false), await node('nod_x', false)];
  const bundle = await wrappedFor(first, second);
  const file = Buffer.from(first.disk.files.get(GATEWAY_KEY_FILE) ?? []).toString();
  const { sealing, enrolmentKey, authority } = JSON.parse(file);
  for (const canary of [sealing.d, enrolmentKey, authority.keyPem.split('\n')[1]])
    expect(JSON.stringify(bundle)).not.toContain(canary);
  const unreadable = { ok: false, error: { code: 'unreadable' } };
  const { wrapped } = bundle;
  const renamed = { ...bundle, wrapped: { ...wrapped, nodeId: stranger.nodeId } };
  expect(await stranger.keyring.adopt(bundle, OWNER)).toEqual(unreadable);
  expect(await stranger.keyring.adopt(renamed, OWNER)).toEqual(unreadable);
  const elsewhere = { ...OWNER, gatewayId: GatewayId.parse('gw_b') };
  expect(await second.keyring.adopt(bundle, elsewhere)).toEqual(unreadable);
  const foreign = { ...OWNER, scope: { ...SCOPE, tenantId: TenantId.parse('ten_b') } };
  expect(await second.keyring.adopt(bundle, foreign)).toEqual(unreadable);
  expect(await second.keyring.adopt({ ...bundle, wrapped: { ...wrapped, keyVersion: 2 } }, OWNER)).toEqual(unreadable);
  const flipped = `${wrapped.ciphertext.startsWith('A') ? 'B' : 'A'}${wrapped.ciphertext.slice(1)}`;
  const altered = { ...bundle, wrapped: { ...wrapped, ciphertext: flipped } };
  expect(await second.keyring.adopt(altered, OWNER)).toEqual(unreadable);
  expect(second.keyring.held()).toBeNull();
  expect((await second.keyring.adopt(bundle, OWNER)).ok).toBe(true);
});

test('[N3] a node without the key wraps nothing, opens nothing, and a full disk gives nothing away', async () => {
  const first = await node('nod_a', true);
  const second = await node('nod_b', false);
  expect(await second.keyring.wrap(orderFor(first), OWNER)).toEqual({ ok: false, error: { code: 'not-held' } });
  const sealed = await first.keyring.vault.seal(new Uint8Array([1]), OWNER, ABOUT);
  expect(await second.keyring.vault.open(sealed, OWNER)).toEqual({ ok: false, error: 'unreadable' });
});

test('[N3] asked again for the same node the list of holders stays, and a node with new keys takes its own place', async () => {
  const first = await node('nod_a', true);
  const second = await node('nod_b', false);
  await wrappedFor(first, second);
  const once = first.keyring.held()?.holders;
  await wrappedFor(first, second);
  expect(first.keyring.held()?.holders).toEqual(once);
  await wrappedFor(first, await node('nod_b', false));
  expect(first.keyring.held()?.holders).toHaveLength(1);
  expect(first.keyring.held()?.holders).not.toEqual(once);
});

test('the key is made once, is worth nothing when another counts, and is never overwritten when damaged', async () => {
  const disk = testDisk();
  const made = await ensureGatewayKey(disk, NOW);
  const again = await ensureGatewayKey(disk, NOW);
  expect(made.ok && again.ok && made.value.sealingKey === again.value.sealingKey).toBe(true);
  await forgetGatewayKey(disk);
  expect(await openGatewayKey(disk)).toEqual({ ok: true, value: null });
  await disk.replace(GATEWAY_KEY_FILE, Buffer.from('{"v":1'));
  expect(await ensureGatewayKey(disk, NOW)).toMatchObject({ ok: false, error: { code: 'damaged' } });
});

test('a folder of before keeps its keys: what was sealed, tokens and the pinned authority stay good', async () => {
  const disk = testDisk();
  const vault = await ensureVault(disk);
  if (!vault.ok) throw new Error(vault.error.detail);
  await disk.replace('enrolment-key', new Uint8Array(32).fill(9));
  const before = await ensureEndpointCertificate(disk, NOW, { given: await makeEnrolmentAuthority(NOW), ...ORDER });
  const sealed = await vault.value.seal(new TextEncoder().encode('old'), OWNER, ABOUT);
  const taken = await takeFormerKey(disk, NOW);
  if (!taken.ok || taken.value === null || !before.ok) throw new Error('not taken over');
  expect((await taken.value.open(sealed, OWNER)).ok).toBe(true);
  expect(taken.value.enrolmentKey).toEqual(new Uint8Array(32).fill(9));
  const after = await ensureEndpointCertificate(disk, NOW, { given: taken.value.authority, ...ORDER });
  expect(after).toEqual(before);
});

test('[N5] a node tells of itself at each session and when something changes, and keeps the last word of the edge', async () => {
  const ports = testPorts();
  let addresses = ['10.0.0.1:8443'];
  const status = createNodeStatus(() => ({ sealingKey: null, addresses }), ports.clock, testLog().log);
  const sent: RelayFrame[] = [];
  const send = (frame: RelayFrame): void => void sent.push(frame);
  expect(status.standing().leader).toBe(true);
  status.attach(send);
  status.changed();
  expect(sent).toHaveLength(1);
  addresses = ['10.0.0.2:8443'];
  status.changed();
  expect(sent.at(-1)).toMatchObject({ type: 'node-status', addresses });
  status.take({ state: 'active', leader: false, peers: ['10.0.0.3:8443'] });
  status.detach();
  status.changed();
  expect(sent).toHaveLength(2);
  expect(status.standing()).toEqual({ state: 'active', leader: false, peers: ['10.0.0.3:8443'] });
  status.attach(send);
  expect(sent).toHaveLength(3);
});
