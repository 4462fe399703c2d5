// The whole driver, real sockets and a plain user's key, against the lab's MAAS: what the commands will rely on.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { observeAccount } from '../../relay/maas/account.ts';
import { findAddress, releaseAddress, reserveAddress } from '../../relay/maas/addresses.ts';
import { ensureAnnotated, findByClaim, listOwned } from '../../relay/maas/claims.ts';
import type { MaasClient, MaasClientOptions } from '../../relay/maas/client.ts';
import { eventsAfter, lastEventId } from '../../relay/maas/events.ts';
import { observeInventory } from '../../relay/maas/inventory.ts';
import {
  abort,
  allocateById,
  deploy,
  listMachines,
  markBroken,
  queryPowerState,
  readMachine,
  release,
} from '../../relay/maas/machines.ts';
import type { MaasTransport } from '../../relay/maas/transport.ts';
import { createUndiciTransport, type UndiciTransport } from '../../relay/maas/undici-transport.ts';
import { ProjectId, type Scope, TenantId } from '../../shared/ids.ts';
import { InventoryFacts } from '../../shared/inventory.ts';
import { MACHINE_STATUSES } from '../../shared/machine.ts';
import type { Result } from '../../shared/result.ts';
import { HTML_502 } from '../lab/faults.ts';
import { defaultInventory } from '../lab/inventory.ts';
import { LAB_USER, type Lab, startLab } from '../lab/lab.ts';
import { clientOver, machinesThatOnlySwitchOn } from './lab-site.ts';
import { aClaim, aSystemId } from './scripted-maas.ts';

const SCOPE: Scope = {
  tenantId: TenantId.parse('ten_1'),
  projectId: ProjectId.parse('prj_1'),
  jurisdiction: 'default',
};
const first = aSystemId('m00000');
const second = aSystemId('m00001');
const bmcRefuses = aSystemId('m00002');
const claim = aClaim();
const userData = new TextEncoder().encode('#cloud-config\nruncmd: [echo "é+/="]\n');

let lab: Lab;
let network: UndiciTransport;
let maas: MaasClient;
let booted: Map<string, Uint8Array>;

beforeEach(async () => {
  booted = new Map();
  lab = await startLab({
    inventory: defaultInventory({
      machines: 4,
      hostnames: ['node-1', 'node-2', 'fails-releasing-1'],
      timings: { deployMs: 1, powerOnMs: 1, releaseMs: 1, eraseMs: 1 },
    }),
    driver: machinesThatOnlySwitchOn(booted),
  });
  network = createUndiciTransport({ trust: { kind: 'system' }, proxyUrl: null });
  maas = clientOf(lab.userKey);
});
afterEach(async () => {
  await network.close();
  await lab.close();
});

describe('a machine', () => {
  test('is taken, installed, and given back with nothing left', async () => {
    expect(await allocateById(maas, { systemId: first, claim })).toMatchObject({
      value: { status: 'allocated', owner: LAB_USER },
    });
    await annotate();
    const deploying = await deploy(maas, { systemId: first, claim, image: 'ubuntu/noble', userData });
    expect(deploying).toMatchObject({ value: { status: 'deploying', image: 'ubuntu/noble', claim } });
    await expect.poll(() => booted.get(first)).toEqual(userData);
    await release(maas, { systemId: first });
    await expect.poll(() => statusOf(first)).toBe('ready');
    expect(await findByClaim(maas, claim)).toEqual({ ok: true, value: [] });
    expect(lab.leftovers(LAB_USER)).toEqual({ machines: 0, addresses: 0, dnsRecords: 0 });
  });

  test('already taken is a conflict, and stays whose it is', async () => {
    const admin = clientOf(lab.adminKey);
    await allocateById(admin, { systemId: first, claim: aClaim({ attempt: 9 }) });
    expect(await allocateById(maas, { systemId: first, claim })).toMatchObject({ error: { code: 'MAAS_CONFLICT' } });
    expect(await release(maas, { systemId: first })).toMatchObject({ error: { code: 'MAAS_FORBIDDEN' } });
    expect(await readMachine(maas, first)).toMatchObject({ error: { code: 'MAAS_FORBIDDEN' } });
    expect(await readMachine(maas, aSystemId('zzzzzz'))).toMatchObject({ error: { code: 'MAAS_NOT_FOUND' } });
    // An administrator's key sees it, and still it is not ours.
    expect(await findByClaim(maas, aClaim({ attempt: 9 }))).toEqual({ ok: true, value: [] });
  });

  test('deployed twice is a conflict; aborted it is allocated again', async () => {
    await allocateById(maas, { systemId: first, claim });
    const deployment = { systemId: first, claim, image: 'k8s-node', hweKernel: 'ga-24.04', userData };
    expect(await deploy(maas, deployment)).toMatchObject({ value: { image: 'k8s-node' } });
    expect(await deploy(maas, deployment)).toMatchObject({ error: { code: 'MAAS_CONFLICT' } });
    expect((await abort(maas, first)).ok).toBe(true);
    expect(await statusOf(first)).toBe('allocated');
    expect(await deploy(maas, { ...deployment, image: 'nosuch' })).toMatchObject({
      error: { code: 'MAAS_REFUSED', fields: { distro_series: [expect.any(String)] } },
    });
  });

  test('can be marked broken, and its power asked', async () => {
    await allocateById(maas, { systemId: first, claim });
    expect(await queryPowerState(maas, first)).toMatchObject({ ok: true });
    expect(await markBroken(maas, first, 'no link on eth0')).toMatchObject({
      value: { status: 'broken', owner: null, errorDescription: 'no link on eth0' },
    });
  });

  test('is found in every status the filter knows', async () => {
    expect(await listMachines(maas, { statuses: MACHINE_STATUSES })).toMatchObject({ ok: true, value: { length: 4 } });
  });
});

describe('a lost answer', () => {
  test('of allocate: the machine is found by its claim, among the candidates and among all', async () => {
    lab.faults.arm({ kind: 'lose-answer', match: { operation: 'allocate' }, times: 1 });
    expect(await allocateById(maas, { systemId: first, claim })).toMatchObject({
      error: { code: 'MAAS_UNKNOWN_OUTCOME' },
    });
    for (const among of [{ systemIds: [second, first] }, {}])
      expect(await findByClaim(maas, claim, among)).toMatchObject({
        value: [{ machine: { systemId: first }, byAgentName: true, byAnnotation: false }],
      });
    expect(await findByClaim(maas, claim, { systemIds: [second] })).toEqual({ ok: true, value: [] });
    expect(await allocateById(maas, { systemId: first, claim })).toMatchObject({ error: { code: 'MAAS_CONFLICT' } });
    expect(lab.leftovers(LAB_USER).machines).toBe(1);
  });

  test('of deploy: the repeat is a conflict and the machine is deploying', async () => {
    await allocateById(maas, { systemId: first, claim });
    lab.faults.arm({ kind: 'lose-answer', match: { operation: 'deploy' }, times: 1 });
    const deployment = { systemId: first, claim, image: 'ubuntu/noble', userData };
    expect(await deploy(maas, deployment)).toMatchObject({ error: { code: 'MAAS_UNKNOWN_OUTCOME' } });
    expect(await deploy(maas, deployment)).toMatchObject({ error: { code: 'MAAS_CONFLICT' } });
    expect(await statusOf(first)).toBe('deploying');
  });

  test('of a reserve: the repeat sees that it is done', async () => {
    const vip = { ip: await freeAddress(), fqdn: 'k8s-c1.lab.example' };
    lab.faults.arm({ kind: 'lose-answer', match: { operation: 'reserve' }, times: 1 });
    expect(await reserveAddress(maas, vip)).toMatchObject({ error: { code: 'MAAS_UNKNOWN_OUTCOME' } });
    expect(await reserveAddress(maas, vip)).toEqual({ ok: true, value: vip });
    expect(lab.leftovers(LAB_USER)).toMatchObject({ addresses: 1, dnsRecords: 1 });
  });
});

test('a release that the BMC refuses keeps the machine ours by its annotation alone', async () => {
  await allocateById(maas, { systemId: bmcRefuses, claim });
  await annotate();
  await deploy(maas, { systemId: bmcRefuses, claim, image: 'ubuntu/noble', userData });
  await expect.poll(() => booted.has(bmcRefuses)).toBe(true);
  expect(await release(maas, { systemId: bmcRefuses })).toMatchObject({ error: { code: 'MAAS_UNKNOWN_OUTCOME' } });
  expect(await findByClaim(maas, claim)).toMatchObject({
    value: [{ machine: { systemId: bmcRefuses, claim }, byAgentName: false, byAnnotation: true }],
  });
  await expect.poll(async () => (await release(maas, { systemId: bmcRefuses })).ok).toBe(true);
  await expect.poll(() => statusOf(bmcRefuses)).toBe('ready');
});

describe('a virtual IP', () => {
  test('is reserved with its name, found, and given back whole', async () => {
    const vip = { ip: await freeAddress(), fqdn: 'k8s-c1.lab.example' };
    expect(await reserveAddress(maas, vip)).toEqual({ ok: true, value: vip });
    expect(await findAddress(maas, vip.fqdn)).toEqual({ ok: true, value: [{ ip: vip.ip, ours: true }] });
    expect(await reserveAddress(maas, { ...vip, fqdn: 'k8s-c2.lab.example' })).toMatchObject({
      error: { code: 'ADDRESS_TAKEN' },
    });
    expect(await releaseAddress(maas, { ...vip, fqdn: 'k8s-c2.lab.example' })).toEqual({ ok: true, value: 'absent' });
    expect(await releaseAddress(clientOf(lab.adminKey), vip)).toEqual({ ok: true, value: 'absent' });
    expect(await releaseAddress(maas, vip)).toEqual({ ok: true, value: 'released' });
    expect(lab.leftovers(LAB_USER)).toMatchObject({ addresses: 0, dnsRecords: 0 });
  });
  test.each([
    ['127.10.2.7', 'reserved-range'],
    ['127.10.1.7', 'dynamic-range'],
    ['192.0.2.7', 'outside-subnets'],
  ])('at %s can not be had: %s', async (ip, reason) => {
    expect(await reserveAddress(maas, { ip, fqdn: 'k8s-c1.lab.example' })).toMatchObject({
      error: { code: 'ADDRESS_NOT_RESERVABLE', reason },
    });
  });
});

describe('the region', () => {
  test('shows its inventory, with addresses that it then does reserve', async () => {
    const seen = await observeInventory(maas, () => 1);
    const facts = InventoryFacts.parse(seen.ok ? seen.value : seen.error);
    expect(facts).toMatchObject({ zones: expect.arrayContaining(['az1', 'az2', 'az3']), machines: { length: 4 } });
    expect(facts.images).toContainEqual({ name: 'k8s-node', architecture: 'amd64' });
    const free = facts.subnets[0]?.freeAddresses ?? [];
    expect(free).toHaveLength(64);
    for (const [at, ip] of [free[0], free.at(-1)].entries())
      expect(await reserveAddress(maas, { ip: ip ?? '', fqdn: `k8s-f${at}.lab.example` })).toMatchObject({ ok: true });
  });
  test('validates as an account', async () => {
    expect(await observeAccount(maas)).toMatchObject({ value: { user: LAB_USER, isAdmin: false, readyMachines: 4 } });
    expect(await observeAccount(clientOf(lab.adminKey))).toMatchObject({
      value: { isAdmin: true, permissionsMissing: [] },
    });
    expect(lab.history).toEqual([]);
  });
  test('tells what changed since', async () => {
    const before = await lastEventId(maas);
    if (!before.ok) throw new Error(before.error.detail);
    await allocateById(maas, { systemId: second, claim });
    await deploy(maas, { systemId: second, claim, image: 'ubuntu/noble', userData });
    const page = await eventsAfter(maas, before.value);
    expect(page.ok && page.value.events.some((event) => event.systemId === second)).toBe(true);
    expect(page.ok && page.value.events.every((event) => event.id > before.value)).toBe(true);
  });
});

describe('trouble', () => {
  test('a wrong secret, an unknown key and a deleted key are refused, and no detail holds a secret', async () => {
    const [consumer, token, secret = ''] = lab.userKey.split(':');
    const failures = [
      await lookAs(`${consumer}:${token}:${'x'.repeat(32)}`),
      await lookAs(`${'n'.repeat(18)}:${token}:${secret}`),
    ];
    lab.faults.denyKey(lab.userKey);
    failures.push(await lookAs(lab.userKey));
    for (const failure of failures) expect(failure).toMatchObject({ error: { code: 'MAAS_UNAUTHORIZED' } });
    for (const part of [secret, token ?? '', consumer ?? '']) expect(JSON.stringify(failures)).not.toContain(part);
  });
  test('a clock that lags is told as such', async () => {
    const late = clientOf(lab.userKey, { now: () => Date.now() - 400_000 });
    expect(await observeAccount(late)).toMatchObject({ error: { code: 'MAAS_CLOCK_SKEW' } });
  });
  test("a proxy's page is no answer: reads may be repeated, a change is open", async () => {
    lab.faults.arm({ kind: 'answer', status: 502, contentType: 'text/html', body: HTML_502 });
    expect(await listOwned(maas)).toMatchObject({ error: { code: 'MAAS_UNREACHABLE' } });
    lab.faults.clear();
    lab.faults.arm({
      kind: 'answer',
      match: { operation: 'allocate' },
      status: 502,
      contentType: 'text/html',
      body: HTML_502,
    });
    expect(await allocateById(maas, { systemId: first, claim })).toMatchObject({
      error: { code: 'MAAS_UNKNOWN_OUTCOME' },
    });
    lab.faults.clear();
    lab.faults.arm({ kind: 'answer', status: 200, contentType: 'text/html', body: HTML_502 });
    expect(await observeAccount(maas)).toMatchObject({ error: { code: 'MAAS_BROKEN' } });
  });
  test('a region that asks to wait is busy, and nothing happened', async () => {
    lab.faults.arm({
      kind: 'answer',
      match: { operation: 'allocate' },
      status: 409,
      retryAfterSeconds: 5,
      body: 'Conflict error.',
    });
    expect(await allocateById(maas, { systemId: first, claim })).toMatchObject({
      error: { code: 'MAAS_BUSY', retryAfterMs: 5_000 },
    });
    expect(lab.leftovers(LAB_USER).machines).toBe(0);
  });
  test('an answer that is too slow leaves a change open and a read repeatable', async () => {
    const hasty: MaasTransport = (request) => network.send({ ...request, timeoutMs: 150 });
    const hurried = clientOf(lab.userKey, { transport: hasty });
    expect((await hurried.user()).ok).toBe(true);
    lab.faults.arm({ kind: 'delay', delayMs: 1_000 });
    expect(await allocateById(hurried, { systemId: first, claim })).toMatchObject({
      error: { code: 'MAAS_UNKNOWN_OUTCOME' },
    });
    expect(await readMachine(hurried, first)).toMatchObject({ error: { code: 'MAAS_UNREACHABLE' } });
    lab.faults.clear();
    expect(await findByClaim(hurried, claim)).toMatchObject({ value: [{ machine: { systemId: first } }] });
  });
  test('a region that is gone was never reached', async () => {
    await lab.close();
    expect(await allocateById(clientOf(lab.userKey), { systemId: first, claim })).toMatchObject({
      error: { code: 'MAAS_UNREACHABLE' },
    });
  });
});

const clientOf = (apiKey: string, over: Partial<MaasClientOptions> = {}): MaasClient =>
  clientOver({ endpoint: lab.url, apiKey, transport: network.send, ...over });
const lookAs = async (apiKey: string): Promise<Result<unknown, unknown>> => observeAccount(clientOf(apiKey));

async function annotate(): Promise<void> {
  const found = await findByClaim(maas, claim);
  const machine = found.ok ? found.value[0]?.machine : undefined;
  if (machine === undefined) throw new Error('the machine is not under its claim');
  expect(await ensureAnnotated(maas, machine, { claim, scope: SCOPE })).toMatchObject({ value: { claim } });
}
async function statusOf(systemId: typeof first): Promise<string> {
  const read = await readMachine(maas, systemId);
  return read.ok ? read.value.status : read.error.code;
}
async function freeAddress(): Promise<string> {
  const seen = await observeInventory(maas, () => 1);
  return (seen.ok && seen.value.subnets[0]?.freeAddresses[0]) || '';
}
