// The handlers of machines and addresses over real HTTP against the lab's MAAS, with answers lost on the way.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureAddress, ensureAddressReleased } from '../../relay/commands/addresses.ts';
import type { Handler } from '../../relay/commands/handler.ts';
import { createMachineHandlers } from '../../relay/commands/machines.ts';
import { allocateById, deploy, release, setAnnotations } from '../../relay/maas/machines.ts';
import type { MaasTransport } from '../../relay/maas/transport.ts';
import { createUndiciTransport, type UndiciTransport } from '../../relay/maas/undici-transport.ts';
import { claimOf } from '../../shared/claim.ts';
import type { Command, Verb } from '../../shared/command.ts';
import { err } from '../../shared/result.ts';
import { defaultInventory } from '../lab/inventory.ts';
import { LAB_USER, type Lab, startLab } from '../lab/lab.ts';
import { clientOver, machinesThatOnlySwitchOn } from '../relay-maas/lab-site.ts';
import { aSystemId } from '../relay-maas/scripted-maas.ts';
import { GATEWAY } from '../support/fake-edge.ts';
import { ACCOUNT, ANYTHING, allocateBody, CLAIM, CLUSTER, commandOf, SLOT } from './commands.ts';
import { handlerContext } from './handler-context.ts';

const [one, two, three] = ['m00000', 'm00001', 'm00002'].map(aSystemId) as [Id, Id, Id]; // three in, three out
type Id = ReturnType<typeof aSystemId>;
const FQDN = 'k8s-demo.lab.example';
const OTHER = claimOf({ gatewayId: GATEWAY, clusterId: CLUSTER, slot: SLOT, attempt: 2 });

const handlers = createMachineHandlers({
  dial: {
    etcd: () => {
      throw new Error('no command here has a seat in etcd');
    },
  },
  userDataFor: ({ claim }) => new TextEncoder().encode(`#cloud-config\n# ${claim}\n`),
  touched: () => {},
});

let lab: Lab;
let booted: Map<string, Uint8Array>;
let network: UndiciTransport;
/** What happens to calls of one operation, so many times: the answer is lost, it may have been sent and was not, never sent, only late. */
let trouble: { op: string; kind: Kind; times: number; before?: () => Promise<unknown> } | null;
type Kind = 'lost' | 'cut' | 'unsent' | 'late';

beforeEach(async () => {
  trouble = null;
  booted = new Map();
  lab = await startLab({
    inventory: defaultInventory({
      machines: 4,
      hostnames: ['node-1', 'node-2', 'node-3', 'fails-releasing-1'],
      timings: { deployMs: 1, powerOnMs: 1, releaseMs: 1, eraseMs: 1 },
    }),
    driver: machinesThatOnlySwitchOn(booted),
  });
  network = createUndiciTransport({ trust: { kind: 'system' }, proxyUrl: null });
});
afterEach(async () => {
  await network.close();
  await lab.close();
});

const troubled: MaasTransport = async (request) => {
  const now = trouble;
  if (now === null || now.times === 0 || !request.url.includes(`op=${now.op}`)) return network.send(request);
  now.times -= 1;
  if (now.kind === 'unsent') return err({ code: 'NEVER_SENT', detail: 'refused' });
  await now.before?.();
  if (now.kind === 'late') return network.send(request);
  if (now.kind === 'lost') await network.send(request);
  return err({ code: 'MAYBE_SENT', detail: 'cut' });
};
const clientBy = (transport: MaasTransport) => clientOver({ endpoint: lab.url, apiKey: lab.userKey, transport });
const maas = () => clientBy(troubled);
const calls = (operation: string) => lab.history.filter((call) => call.operation.endsWith(`.${operation}`)).length;

async function run<V extends Verb>(handler: Handler<V>, command: Command, context = handlerContext(command, maas())) {
  const { body } = command;
  return { answer: await handler(body as Parameters<Handler<V>>[0], context), ...context }; // commandOf parsed it
}
const allocate = (candidates: Id[], more = {}, options = {}) =>
  run(handlers['ensure-allocated'], commandOf(allocateBody(ACCOUNT, candidates, more), options));
const deployBody = { verb: 'ensure-deployed', account: ACCOUNT, claim: CLAIM, image: 'ubuntu/noble', hweKernel: null };
const deployOf = (systemId: Id) =>
  run(handlers['ensure-deployed'], commandOf({ ...deployBody, systemId, enrolUntil: 9_000_000_000_000 }));
const releaseOf = (systemId: Id | null, options = {}) =>
  run(
    handlers['ensure-released'],
    commandOf({ verb: 'ensure-released', account: ACCOUNT, claim: CLAIM, systemId, erase: 'none' }, options),
  );
const status = (systemId: Id) => lab.region.machines.get(systemId)?.status;
const personReleases = (systemId: Id) =>
  release(clientBy(network.send), { systemId }).then(() => expect.poll(() => status(systemId)).toBe('Ready'));

test('takes the first candidate that can be had, marks it, and taking again takes nothing more', async () => {
  await allocateById(maas(), { systemId: one, claim: OTHER });
  const first = await allocate([one, two, three]);
  expect(first.answer).toMatchObject({
    ok: true,
    value: { machine: { systemId: two, claim: CLAIM, owner: LAB_USER } },
  });
  const again = await allocate([three]);
  expect(again.answer).toMatchObject({ ok: true, value: { machine: { systemId: two } } });
  expect(again.changes).toEqual([]);
  expect(first.reached).toEqual(
    expect.arrayContaining(['before-allocate-call', 'after-allocate-call', 'after-annotate']),
  );
});

test('[L4] directly before each changing call it asks whether it may', async () => {
  const { changes } = await allocate([one]);
  expect(changes).toEqual([`allocate ${one}`, `annotate ${one}`]);
  const command = commandOf(allocateBody(ACCOUNT, [two], { claim: OTHER }));
  const stale = { code: 'STALE_GENERATION', highest: 9, detail: '' } as const;
  const refused = await run(
    handlers['ensure-allocated'],
    command,
    handlerContext(command, maas(), () => err(stale)),
  );
  expect(refused.answer).toEqual({ ok: false, error: stale });
  expect(calls('allocate')).toBe(1);
});

test('says of each candidate why MAAS refuses it', async () => {
  for (const systemId of [one, two]) await allocateById(maas(), { systemId, claim: OTHER });
  const { answer } = await allocate([one, two]);
  expect(answer).toMatchObject({
    ok: false,
    error: { code: 'NO_CANDIDATE_LEFT', refused: { [one]: /./, [two]: /./ } },
  });
});

test('[C8] after a lost answer it finds the machine by its claim and takes no second one', async () => {
  trouble = { op: 'allocate', kind: 'lost', times: 1 };
  const { answer } = await allocate([one, two]);
  expect(answer).toMatchObject({ ok: true, value: { machine: { systemId: one, claim: CLAIM } } });
  expect(calls('allocate')).toBe(1);
  expect(status(two)).toBe('Ready');
});

test('[C8] when the lost call came to nothing it tries the same candidate before the next', async () => {
  trouble = { op: 'allocate', kind: 'cut', times: 1 };
  const { answer, changes } = await allocate([one, two]);
  expect(answer).toMatchObject({ ok: true, value: { machine: { systemId: one } } });
  expect(changes).toEqual([`allocate ${one}`, `allocate ${one}`, `annotate ${one}`]);
});

test('[C8] an answer lost while somebody else takes the machine: the next candidate, and theirs is not touched', async () => {
  trouble = {
    op: 'allocate',
    kind: 'lost',
    times: 1,
    before: () => allocateById(clientBy(network.send), { systemId: one, claim: OTHER }),
  };
  const { answer } = await allocate([one, two]);
  expect(answer).toMatchObject({ ok: true, value: { machine: { systemId: two, claim: CLAIM } } });
});

test('[C8] no answer to its mark while a person gives the machine back and another claim gets it: theirs is not touched', async () => {
  const changeHands = () =>
    personReleases(one).then(() => allocateById(clientBy(network.send), { systemId: one, claim: OTHER }));
  trouble = { op: 'set_workload_annotations', kind: 'cut', times: 1, before: changeHands };
  const { answer, changes } = await allocate([one]);
  expect(answer).toMatchObject({ ok: false, error: { code: 'NOT_OURS' } });
  expect(changes).toEqual([`allocate ${one}`, `annotate ${one}`]);
});

test('[C8] what can not be known by the deadline is MAAS_UNKNOWN_OUTCOME, never a failure', async () => {
  let sent = false;
  const gone: MaasTransport = async (request) => {
    if (sent) return err({ code: 'NEVER_SENT', detail: 'refused' });
    const answer = await network.send(request);
    if (!request.url.includes('op=allocate')) return answer;
    sent = true;
    return err({ code: 'MAYBE_SENT', detail: 'cut' });
  };
  const command = commandOf(allocateBody(ACCOUNT, [one]), { deadlineAt: Date.now() + 1_500 });
  const { answer } = await run(handlers['ensure-allocated'], command, handlerContext(command, clientBy(gone)));
  expect(answer).toMatchObject({ ok: false, error: { code: 'MAAS_UNKNOWN_OUTCOME' } });
});

test('a MAAS that was never reached is told as such: nothing happened', async () => {
  trouble = { op: 'allocate', kind: 'unsent', times: 9 };
  const { answer } = await allocate([one]);
  expect(answer).toMatchObject({ ok: false, error: { code: 'MAAS_UNREACHABLE' } });
});

test('of two machines under one claim the marked one stays and the other goes back', async () => {
  for (const systemId of [one, two]) await allocateById(maas(), { systemId, claim: CLAIM });
  await setAnnotations(maas(), two, { 'slipway.claim': CLAIM });
  expect((await allocate([one, two])).answer).toMatchObject({ ok: false, error: { code: 'LOOK_AGAIN' } });
  expect(status(one)).toBe('Ready');
  expect((await allocate([one, two])).answer).toMatchObject({ ok: true, value: { machine: { systemId: two } } });
});

test('a machine that is not what was asked goes back at once', async () => {
  const requirements = { ...ANYTHING, minimums: { cpuCores: 4_000, memoryMiB: 256, diskGB: 1 } };
  const { answer } = await allocate([one], { requirements });
  expect(answer).toMatchObject({ ok: false, error: { code: 'FACTS_MISMATCH', systemId: one, missed: /CPU cores/ } });
  expect(status(one)).toBe('Ready');
});

test('deploys what stands under the claim, with user-data; deploying again does nothing', async () => {
  await allocate([one]);
  const first = await deployOf(one);
  expect(first.answer).toMatchObject({ ok: true, value: { machine: { systemId: one, claim: CLAIM } } });
  const again = await deployOf(one);
  expect(again).toMatchObject({ answer: { ok: true }, changes: [] });
  expect(calls('deploy')).toBe(1);
});

test('marks a machine that only agent_name tells before it deploys it', async () => {
  await allocateById(maas(), { systemId: one, claim: CLAIM });
  const { changes } = await deployOf(one);
  expect(changes).toEqual([`annotate ${one}`, `deploy ${one}`]);
});

test('does not deploy a Ready machine, which MAAS would allocate, nor one under another claim', async () => {
  expect((await deployOf(one)).answer).toMatchObject({ ok: false, error: { code: 'NOT_OURS' } });
  await allocateById(maas(), { systemId: two, claim: OTHER });
  expect((await deployOf(two)).answer).toMatchObject({ ok: false, error: { code: 'NOT_OURS' } });
  expect([status(one), status(two), calls('deploy')]).toEqual(['Ready', 'Allocated', 0]);
});

test('[C8] a deploy whose answer is lost is looked at, not repeated', async () => {
  await allocate([one]);
  trouble = { op: 'deploy', kind: 'lost', times: 1 };
  expect((await deployOf(one)).answer).toMatchObject({ ok: true });
  expect(calls('deploy')).toBe(1);
});

test.each(['lost', 'late'] as const)('marks what a deploy took anew after a person gave it back: %s', async (kind) => {
  await allocate([one]);
  trouble = { op: 'deploy', kind, times: 1, before: () => personReleases(one) };
  expect((await deployOf(one)).answer).toMatchObject({ ok: true, value: { machine: { claim: CLAIM } } });
});

test('a deploy that MAAS refuses is told in its words', async () => {
  await allocate([one]);
  const command = commandOf({ ...deployBody, systemId: one, image: 'nosuch', enrolUntil: 1 });
  const { answer } = await run(handlers['ensure-deployed'], command);
  expect(answer).toMatchObject({ ok: false, error: { code: 'MAAS_REFUSED', fields: { distro_series: [/nosuch/] } } });
});

test('gives back what stands under the claim, by claim or by id; again it finds nothing to do', async () => {
  await allocate([one]);
  expect((await releaseOf(null)).answer).toMatchObject({ ok: true, value: { machines: [{ systemId: one }] } });
  expect(status(one)).toBe('Ready');
  await allocate([two]);
  expect((await releaseOf(two)).answer).toMatchObject({ ok: true, value: { machines: [{ systemId: two }] } });
  const again = await releaseOf(two);
  expect(again).toMatchObject({ answer: { ok: true, value: { machines: [] } }, changes: [] });
});

test('never gives back a machine of another claim, nor marks it', async () => {
  await allocateById(maas(), { systemId: one, claim: OTHER });
  const { answer, changes } = await releaseOf(one);
  expect(answer).toMatchObject({ ok: true, value: { machines: [] } });
  expect([status(one), changes]).toEqual(['Allocated', []]);
});

test('marks before it releases, so that a BMC that refuses leaves the machine ours, and asks again', async () => {
  const stubborn = aSystemId('m00003');
  await allocateById(maas(), { systemId: stubborn, claim: CLAIM });
  await deploy(maas(), { systemId: stubborn, claim: CLAIM, image: 'ubuntu/noble', userData: new Uint8Array([1]) });
  await expect.poll(() => booted.has(stubborn)).toBe(true);
  const { answer, changes } = await releaseOf(stubborn);
  expect(changes.slice(0, 3)).toEqual([`annotate ${stubborn}`, `release ${stubborn}`, `release ${stubborn}`]);
  expect(answer).toMatchObject({ ok: true, value: { machines: [{ systemId: stubborn }] } });
});

test('a machine that MAAS never gives back is told as that, and stays marked as ours', async () => {
  await allocate([one]);
  lab.faults.arm({ kind: 'answer', match: { operation: 'release' }, status: 500, body: 'power error' });
  const { answer } = await releaseOf(one);
  expect(answer).toMatchObject({ ok: false, error: { code: 'MAAS_CONFLICT', detail: /power error/ } });
  expect(status(one)).toBe('Allocated');
});

test('[C8] a release whose answer is lost is looked at', async () => {
  await allocate([one]);
  trouble = { op: 'release', kind: 'lost', times: 1 };
  expect((await releaseOf(one)).answer).toMatchObject({ ok: true, value: { machines: [{ systemId: one }] } });
  expect([status(one), calls('release')]).toEqual(['Ready', 1]);
});

test('reserves the first free address under the name, also when an answer is lost, and gives back only its own', async () => {
  const addresses = (candidates: string[]) =>
    run(ensureAddress, commandOf({ verb: 'ensure-address', account: ACCOUNT, fqdn: FQDN, candidates }));
  const free = ['127.10.0.200', '127.10.0.201'];
  trouble = { op: 'reserve', kind: 'lost', times: 1 };
  const first = await addresses(['192.0.2.7', ...free]);
  expect(first.answer).toMatchObject({ ok: true, value: { ip: free[0] } });
  const again = await addresses(free.slice(1));
  expect(again).toMatchObject({ answer: { ok: true, value: { ip: free[0] } }, changes: [] });
  const back = (fqdn: string) =>
    run(ensureAddressReleased, commandOf({ verb: 'ensure-address-released', account: ACCOUNT, fqdn }));
  expect((await back('other.maas')).answer).toMatchObject({ ok: true, value: { released: [] } });
  expect((await back(FQDN)).answer).toMatchObject({ ok: true, value: { released: [free[0]] } });
  expect((await back(FQDN)).answer).toMatchObject({ ok: true, value: { released: [] } });
  expect(lab.leftovers(LAB_USER)).toEqual({ machines: 0, addresses: 0, dnsRecords: 0 });
});
