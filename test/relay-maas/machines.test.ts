import { describe, expect, test } from 'vitest';
import {
  allocateById,
  deploy,
  listMachines,
  markBroken,
  queryPowerState,
  readMachine,
  release,
  setAnnotations,
} from '../../relay/maas/machines.ts';
import { MachineFacts } from '../../shared/machine.ts';
import { aClaim, aSystemId, fails, machineJson, says, scriptedMaas } from './scripted-maas.ts';

const systemId = aSystemId('bneq6n');
const claim = aClaim();

describe('machine facts', () => {
  const read = async (over: Record<string, unknown>) =>
    readMachine(scriptedMaas(() => says(200, machineJson(over))).maas, systemId);

  test('are what the contract says', async () => {
    const facts = await read({});
    expect(facts.ok ? MachineFacts.parse(facts.value) : facts.error).toMatchObject({
      systemId: 'bneq6n',
      status: 'ready',
      owner: null,
      claim: null,
      pool: 'k8s',
      memoryMiB: 16384,
      disksGB: [500],
      image: null,
    });
  });
  test('take the claim from the annotation, and nothing that is not a claim', async () => {
    expect(await read({ owner_data: { 'slipway.claim': claim } })).toMatchObject({ value: { claim } });
    expect(await read({ owner_data: { 'slipway.claim': 'mine!' } })).toMatchObject({ value: { claim: null } });
  });
  test('name the root disk first, in decimal GB', async () => {
    const physicalblockdevice_set = [
      { id: 1, size: 2e12 },
      { id: 2, size: 480_103_981_056 },
    ];
    expect(await read({ physicalblockdevice_set })).toMatchObject({ value: { disksGB: [480.103981056, 2000] } });
  });
  test('spell images as deploy takes them', async () => {
    expect(await read({ osystem: 'ubuntu', distro_series: 'noble' })).toMatchObject({
      value: { image: 'ubuntu/noble' },
    });
    expect(await read({ osystem: 'custom', distro_series: 'k8s-node' })).toMatchObject({
      value: { image: 'k8s-node' },
    });
  });
  test('do not guess: an unknown status is a broken answer, an unknown power state is unknown', async () => {
    expect(await read({ status: 99 })).toMatchObject({ error: { code: 'MAAS_BROKEN' } });
    expect(await read({ power_state: 'standby' })).toMatchObject({ value: { powerState: 'unknown' } });
  });
  test('bear the gaps of a machine that MAAS only just met', async () => {
    const bare = {
      physicalblockdevice_set: [],
      boot_disk: null,
      architecture: null,
      pool: null,
      cpu_count: 0,
      memory: 0,
      status: 0,
    };
    expect(await read(bare)).toMatchObject({ value: { status: 'new', disksGB: [], architecture: '', pool: '' } });
  });
});

describe('a list of machines', () => {
  test('is always filtered', async () => {
    const { maas, asked } = scriptedMaas(() => says(200, []));
    expect(await listMachines(maas, {})).toMatchObject({ error: { code: 'MAAS_REFUSED' } });
    expect(await listMachines(maas, { systemIds: [] })).toEqual({ ok: true, value: [] });
    expect(await listMachines(maas, { owner: 'slipway', statuses: [] })).toEqual({ ok: true, value: [] });
    expect(asked).toEqual([]);
  });
  test("repeats keys, and uses MAAS's names of statuses", async () => {
    const { maas, asked } = scriptedMaas(() => says(200, [machineJson()]));
    const listed = await listMachines(maas, {
      systemIds: [systemId, aSystemId('fx4sbc')],
      owner: 'slipway',
      agentName: claim,
      statuses: ['failed-deployment', 'releasing-failed', 'failed-disk-erasing', 'failed-to-enter-rescue-mode'],
    });
    expect(listed).toMatchObject({ value: [{ systemId: 'bneq6n' }] });
    const { query } = asked[0] ?? { query: new URLSearchParams() };
    expect(query.getAll('id')).toEqual(['bneq6n', 'fx4sbc']);
    expect(query.getAll('owner')).toEqual(['slipway']);
    expect(query.getAll('agent_name')).toEqual([claim]);
    expect(query.getAll('status')).toEqual([
      'failed_deployment',
      'failed_releasing',
      'failed_disk_erasing',
      'failed_entering_rescue_mode',
    ]);
  });
  test('of many ids is asked in pieces that fit a URL', async () => {
    const { maas, asked } = scriptedMaas(() => says(200, []));
    const systemIds = Array.from({ length: 450 }, (_, at) => aSystemId(`m${10_000 + at}`));
    await listMachines(maas, { systemIds, owner: 'slipway' });
    expect(asked.flatMap(({ query }) => query.getAll('id'))).toEqual(systemIds);
    expect(asked.every(({ query, request }) => query.get('owner') === 'slipway' && request.url.length < 4_096)).toBe(
      true,
    );
  });
});

describe('a change', () => {
  test('allocate names the machine and the claim in the body', async () => {
    const { maas, asked } = scriptedMaas(() => says(200, machineJson({ status: 10, owner: 'slipway' })));
    expect(await allocateById(maas, { systemId, claim })).toMatchObject({ value: { status: 'allocated' } });
    expect(Object.fromEntries(asked[0]?.form ?? [])).toEqual({ system_id: 'bneq6n', agent_name: claim });
    expect([...(asked[0]?.query ?? [])]).toEqual([['op', 'allocate']]);
  });
  test('allocate that answers another machine is an unknown outcome: that one is taken too', async () => {
    const { maas } = scriptedMaas(() => says(200, machineJson({ system_id: 'fx4sbc' })));
    expect(await allocateById(maas, { systemId, claim })).toMatchObject({ error: { code: 'MAAS_UNKNOWN_OUTCOME' } });
  });
  test('deploy passes the claim, and user-data as base64', async () => {
    const { maas, asked } = scriptedMaas(() => says(200, machineJson({ status: 9 })));
    const userData = new TextEncoder().encode('#cloud-config\n# é ÿ >>>???\n');
    await deploy(maas, { systemId, claim, image: 'ubuntu/noble', hweKernel: 'ga-24.04', userData });
    const { form, path } = asked[0] ?? { form: new URLSearchParams(), path: '' };
    expect(path).toBe('machines/bneq6n/');
    expect(form.get('agent_name')).toBe(claim);
    expect(form.get('distro_series')).toBe('ubuntu/noble');
    expect(form.get('hwe_kernel')).toBe('ga-24.04');
    expect(new Uint8Array(Buffer.from(form.get('user_data') ?? '', 'base64'))).toEqual(userData);
  });
  test.each([
    [undefined, {}],
    ['full', { erase: 'true' }],
    ['quick', { erase: 'true', quick_erase: 'true' }],
    ['secure', { erase: 'true', secure_erase: 'true' }],
  ] as const)('release with erase %s sends only what is wanted', async (erase, form) => {
    const { maas, asked } = scriptedMaas(() => says(200, machineJson()));
    await release(maas, { systemId, ...(erase === undefined ? {} : { erase }) });
    expect(Object.fromEntries(asked[0]?.form ?? [])).toEqual(form);
  });
  test.each([
    [says(500, 'lab: simulated power failure'), 'MAAS_UNKNOWN_OUTCOME'],
    [says(503, 'Unable to connect to any rack controller', { 'retry-after': '10' }), 'MAAS_UNKNOWN_OUTCOME'],
    [fails('MAYBE_SENT'), 'MAAS_UNKNOWN_OUTCOME'],
    [fails('NEVER_SENT'), 'MAAS_UNREACHABLE'],
    [says(403), 'MAAS_FORBIDDEN'],
    [says(409, "Machine cannot be released in its current state ('Disk erasing')."), 'MAAS_CONFLICT'],
  ])('release that fails (%#)', async (answer, code) => {
    expect(await release(scriptedMaas(() => answer).maas, { systemId })).toMatchObject({ error: { code } });
  });
  test('annotations with a key that MAAS answers by a 500 are not sent', async () => {
    const { maas, asked } = scriptedMaas(() => says(200, machineJson()));
    for (const key of ['a b', 'a/b', '', 'op'])
      expect(await setAnnotations(maas, systemId, { [key]: 'x' })).toMatchObject({ error: { code: 'MAAS_REFUSED' } });
    expect(asked).toEqual([]);
    await setAnnotations(maas, systemId, { 'slipway.claim': claim, gone: '' });
    expect(Object.fromEntries(asked[0]?.form ?? [])).toEqual({ 'slipway.claim': claim, gone: '' });
  });
  test('mark broken says why', async () => {
    const { maas, asked } = scriptedMaas(() => says(200, machineJson({ status: 8 })));
    expect(await markBroken(maas, systemId, 'no link')).toMatchObject({ value: { status: 'broken' } });
    expect(asked[0]?.form.get('comment')).toBe('no link');
  });
});

test('the power state is asked of the BMC', async () => {
  const { maas, asked } = scriptedMaas(() => says(200, { state: 'off' }));
  expect(await queryPowerState(maas, systemId)).toEqual({ ok: true, value: 'off' });
  expect(asked[0]?.query.get('op')).toBe('query_power_state');
});
