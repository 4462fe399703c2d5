import { describe, expect, test } from 'vitest';
import { observeAccount } from '../../relay/maas/account.ts';
import { eventsAfter, lastEventId } from '../../relay/maas/events.ts';
import { observeInventory } from '../../relay/maas/inventory.ts';
import { AccountFacts, InventoryFacts } from '../../shared/inventory.ts';
import { type Asked, fails, machineJson, NOW_MS, says, scriptedMaas } from './scripted-maas.ts';

const ALL: Record<string, unknown> = {
  'version/': { version: '3.7.3', subversion: '', capabilities: [] },
  'zones/': [
    { id: 1, name: 'default' },
    { id: 2, name: 'az1' },
  ],
  'resourcepools/': [{ id: 0, name: 'default' }],
  'tags/': [{ name: 'gpu', definition: '' }],
  'domains/': [{ name: 'maas', authoritative: true, is_default: true, id: 0 }],
  'boot-resources/': [
    { name: 'ubuntu/noble', architecture: 'amd64/ga-24.04', type: 'Synced' },
    { name: 'ubuntu/noble', architecture: 'amd64/hwe-24.04', type: 'Synced' },
    { name: 'ubuntu/noble', architecture: 'arm64/ga-24.04', type: 'Synced' },
    { name: 'k8s-node', architecture: 'amd64/generic', type: 'Uploaded' },
  ],
  'subnets/': [
    { id: 1, name: 'prov', cidr: '10.10.0.0/24', gateway_ip: '10.10.0.1', managed: true },
    { id: 2, name: 'six', cidr: 'fd00::/64', gateway_ip: null, managed: true },
  ],
  'subnets/1/': [
    { start: '10.10.0.0', end: '10.10.0.5', num_addresses: 6 },
    { start: '10.10.0.211', end: '10.10.0.255', num_addresses: 45 },
    { start: '10.10.0.20', end: '10.10.0.99', num_addresses: 80 },
  ],
  'dnsresources/': [],
  'ipaddresses/': [],
  'events/': { count: 0, events: [] },
};
const site = ({ path, query }: Asked) => {
  if (path !== 'machines/') return says(200, ALL[path]);
  if (query.get('status') === 'ready') return says(200, [machineJson(), machineJson({ system_id: 'fx4sbc' })]);
  // Between the two looks one of the Ready ones became ours.
  return says(200, query.get('owner') === 'slipway' ? [machineJson({ status: 10, owner: 'slipway' })] : []);
};

describe('the inventory', () => {
  test('is compact, whole and of the contract', async () => {
    const seen = await observeInventory(scriptedMaas(site).maas, () => NOW_MS);
    const facts = InventoryFacts.parse(seen.ok ? seen.value : seen.error);
    expect(facts).toMatchObject({ observedAt: NOW_MS, zones: ['default', 'az1'], pools: ['default'], tags: ['gpu'] });
    expect(facts.images).toEqual([
      { name: 'ubuntu/noble', architecture: 'amd64' },
      { name: 'ubuntu/noble', architecture: 'arm64' },
      { name: 'k8s-node', architecture: 'amd64' },
    ]);
    expect(facts.machines.map(({ systemId, status }) => [systemId, status])).toEqual([
      ['fx4sbc', 'ready'],
      ['bneq6n', 'allocated'],
    ]);
  });
  test('offers addresses that may be taken, without gateway, network and broadcast, at most 64', async () => {
    const seen = await observeInventory(scriptedMaas(site).maas, () => NOW_MS);
    const [prov, six] = seen.ok ? seen.value.subnets : [];
    expect(prov?.freeAddresses.slice(0, 6)).toEqual([
      '10.10.0.2',
      '10.10.0.3',
      '10.10.0.4',
      '10.10.0.5',
      '10.10.0.211',
      '10.10.0.212',
    ]);
    expect(prov?.freeAddresses).toHaveLength(64);
    expect(prov?.freeAddresses).not.toContain('10.10.0.255');
    expect(prov?.freeCount).toBe(4 + 44 + 80);
    expect(six).toMatchObject({ freeAddresses: [], freeCount: 0 });
  });
  test('bears a subnet that is deleted meanwhile', async () => {
    const gone = scriptedMaas((call) =>
      call.path === 'subnets/1/' ? says(404, 'No Subnet matches the given query.') : site(call),
    );
    const seen = await observeInventory(gone.maas, () => NOW_MS);
    expect(seen.ok && seen.value.subnets.map((subnet) => subnet.id)).toEqual([2]);
  });
  test('fails whole when a part fails: a missing machine would look free', async () => {
    for (const part of [
      ...Object.keys(ALL).filter((path) => !['version/', 'dnsresources/', 'ipaddresses/', 'events/'].includes(path)),
      'machines/',
    ]) {
      const { maas } = scriptedMaas((call) => (call.path === part ? fails('MAYBE_SENT') : site(call)));
      expect(await observeInventory(maas, () => NOW_MS)).toMatchObject({ error: { code: 'MAAS_UNREACHABLE' } });
    }
  });
});

describe('the account', () => {
  test('of a plain user works, and names what it may not', async () => {
    const seen = await observeAccount(scriptedMaas(site).maas);
    expect(AccountFacts.parse(seen.ok ? seen.value : seen.error)).toMatchObject({
      maasVersion: '3.7.3',
      user: 'slipway',
      isAdmin: false,
      images: ['ubuntu/noble', 'k8s-node'],
      readyMachines: 2,
      permissionsMissing: ['dnsresources.create', 'machines.update', 'machines.power-parameters', 'tags.update-nodes'],
    });
  });
  test('of an administrator misses nothing', async () => {
    const { maas } = scriptedMaas(site, { whoami: { username: 'admin', is_superuser: true } });
    expect(await observeAccount(maas)).toMatchObject({ value: { isAdmin: true, permissionsMissing: [] } });
  });
  test('that may not read something still validates, and says so', async () => {
    const { maas } = scriptedMaas((call) => (['domains/', 'events/'].includes(call.path) ? says(403) : site(call)));
    const seen = await observeAccount(maas);
    expect(seen.ok && seen.value.domains).toEqual([]);
    expect(seen.ok && seen.value.permissionsMissing.slice(0, 2)).toEqual(['domains.list', 'events.query']);
  });
  test('is looked at without any change', async () => {
    const { maas, asked } = scriptedMaas(site);
    await observeAccount(maas);
    expect(new Set(asked.map(({ method }) => method))).toEqual(new Set(['GET']));
    expect(asked.find(({ path }) => path === 'version/')?.request.headers).not.toHaveProperty('authorization');
  });
  test.each([['2.9.2'], ['1.9'], ['unknown']])('of MAAS %s is refused', async (version) => {
    const { maas } = scriptedMaas((call) => (call.path === 'version/' ? says(200, { version }) : site(call)));
    expect(await observeAccount(maas)).toMatchObject({
      error: { code: 'MAAS_REFUSED', fields: { version: [expect.any(String)] } },
    });
  });
  test.each([
    [says(401, 'Authorization Error: Invalid API key.'), 'MAAS_UNAUTHORIZED'],
    [says(401, "Authorization Error: 'Expired timestamp: given 1 and now 9'"), 'MAAS_CLOCK_SKEW'],
    [fails('NEVER_SENT'), 'MAAS_UNREACHABLE'],
  ])('that can not be used says why (%#)', async (answer, code) => {
    const { maas } = scriptedMaas((call) => (call.path === 'users/' ? answer : site(call)), { whoami: null });
    expect(await observeAccount(maas)).toMatchObject({ error: { code } });
  });
  test('at a place that is no MAAS is broken', async () => {
    const { maas } = scriptedMaas(() => says(200, '<html><title>It works!</title></html>'));
    expect(await observeAccount(maas)).toMatchObject({ error: { code: 'MAAS_BROKEN' } });
  });
});

describe('events', () => {
  const event = (id: number, node = 'bneq6n') => ({
    id,
    node,
    hostname: 'w1',
    level: 'INFO',
    type: 'Deployed',
    description: '',
  });
  test('are told oldest first, with where to go on', async () => {
    const { maas, asked } = scriptedMaas(() => says(200, { count: 2, events: [event(9), event(8, '')] }));
    expect(await eventsAfter(maas, 7)).toMatchObject({
      value: {
        events: [
          { id: 8, systemId: null },
          { id: 9, systemId: 'bneq6n' },
        ],
        lastId: 9,
        more: false,
      },
    });
    expect(Object.fromEntries(asked[0]?.query ?? [])).toEqual({ op: 'query', after: '7', limit: '1000' });
  });
  test('none keeps the place', async () => {
    const { maas } = scriptedMaas(() => says(200, { count: 0, events: [] }));
    expect(await eventsAfter(maas, 7)).toEqual({ ok: true, value: { events: [], lastId: 7, more: false } });
    expect(await lastEventId(maas)).toEqual({ ok: true, value: 0 });
  });
  test('a full page says that there may be more', async () => {
    const events = Array.from({ length: 1_000 }, (_, at) => event(1_007 - at));
    const { maas } = scriptedMaas(() => says(200, { count: 1_000, events }));
    expect(await eventsAfter(maas, 7)).toMatchObject({ value: { lastId: 1_007, more: true } });
  });
});
