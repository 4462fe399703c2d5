// The real process against a small edge and the lab's MAAS: pair, serve, be killed at named points, and carry on.
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Failpoint } from '../../relay/failpoint.ts';
import { allocateById } from '../../relay/maas/machines.ts';
import { createUndiciTransport } from '../../relay/maas/undici-transport.ts';
import type { Command } from '../../shared/command.ts';
import type { SystemId } from '../../shared/ids.ts';
import { defaultInventory } from '../lab/inventory.ts';
import { LAB_USER, type Lab, startLab } from '../lab/lab.ts';
import { clientOver, machinesThatOnlySwitchOn } from '../relay-maas/lab-site.ts';
import { aSystemId } from '../relay-maas/scripted-maas.ts';
import { type FakeEdge, startFakeEdge } from '../support/fake-edge.ts';
import { ACCOUNT, allocateBody, CLAIM, commandOf, identityCommand } from './commands.ts';
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

async function pair(): Promise<void> {
  const paired = await relay.command(['pair'], edge.code);
  if (paired.status !== 0) throw new Error(paired.stderr);
}

test('pairs once, keeps everything to itself, and says the same when asked again', async () => {
  const first = await relay.command(['pair', '--json'], edge.code.toUpperCase());
  const again = await relay.command(['pair', '--json'], edge.code);
  expect([first.status, again.status, edge.pairings()]).toEqual([0, 0, 1]);
  expect(JSON.parse(again.stdout)).toEqual({ ...JSON.parse(first.stdout), already: true });
  expect((await stat(relay.state)).mode & 0o777).toBe(0o700);
  for (const name of await readdir(relay.state)) {
    expect([name, (await stat(join(relay.state, name))).mode & 0o777]).toEqual([name, 0o600]);
  }
});

test('says what is wrong with a code, and does not give up an identity unasked', async () => {
  const mistyped = `${edge.code.slice(0, -1)}${edge.code.endsWith('a') ? 'b' : 'a'}`;
  const wrong = await relay.command(['pair'], mistyped);
  expect([wrong.status, wrong.stderr]).toEqual([1, expect.stringContaining('mistyped')]);
  await pair();
  const other = await startFakeEdge();
  const refused = await relay.command(['pair'], other.code, { SLIPWAY_CONSOLE: other.origin });
  expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining('--replace')]);
  const replaced = await relay.command(['pair', '--replace'], other.code, { SLIPWAY_CONSOLE: other.origin });
  expect([replaced.status, other.pairings()]).toEqual([0, 1]);
  await other.stop();
});

test('refuses a console that signs with another key than the code names', async () => {
  const other = await startFakeEdge();
  const refused = await relay.command(['pair'], other.code);
  expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining('another key')]);
  expect(await readdir(relay.state)).not.toContain('identity.json');
  await other.stop();
});

test('[T1, T2] serves a session it has proved itself for, and ends with 0 when asked', async () => {
  await pair();
  const process = relay.start();
  await edge.connected(1);
  const command = identityCommand();
  await edge.deliver([command]);
  const outcome = await edge.reportOf(command.commandId);
  expect(outcome).toMatchObject({ ok: true, value: { verb: 'ensure-identity' } });
  process.kill('SIGTERM');
  expect(await process.ended).toBe(0);
  expect(process.lines.at(-1)).toMatchObject({ event: 'relay-ended' });
});

test('[T3, T8] dials again after a cut, with a counter that rises, and tells again what was not acknowledged', async () => {
  await pair();
  edge.manners.acknowledges = false;
  relay.start();
  await edge.connected(1);
  const command = identityCommand();
  edge.manners.outstanding = [command.commandId];
  await edge.deliver([command]);
  const outcome = await edge.reportOf(command.commandId);
  edge.cut();
  await edge.connected(2);
  await edge.until('the report again', () => edge.reportsOf(command.commandId).length === 2);
  expect(edge.reportsOf(command.commandId)).toEqual([outcome, outcome]);
  const [first, second] = edge.hellos;
  expect(second?.joinCounter).toBeGreaterThan(first?.joinCounter ?? Number.NaN);
  expect(second?.bootId).toBe(first?.bootId);
});

test('[T6] looks into no command that the console did not sign, and dials anew', async () => {
  await pair();
  const process = relay.start();
  await edge.connected(1);
  const command = identityCommand();
  await edge.deliver([command], (payload) => payload.replace('"demo"', '"evil"'));
  await edge.connected(2);
  expect(edge.closes[0]).toBe(4005);
  expect(edge.reportsOf(command.commandId)).toEqual([]);
  expect(await process.logged('tunnel-refused-frame')).toMatchObject({ code: 4005 });
});

test('[T9] closes with 4004 at a frame of a later version, and says which side is older', async () => {
  await pair();
  const process = relay.start();
  await edge.connected(1);
  edge.send({ v: 2, type: 'welcome' } as never); // what a later console might send
  expect(await process.logged('protocol-mismatch')).toMatchObject({ older: 'relay', theirVersion: 2 });
  await edge.until('the close', () => edge.closes[0] === 4004);
});

test('one state folder serves one process', async () => {
  await pair();
  relay.start();
  await edge.connected(1);
  const second = relay.start();
  expect(await second.ended).toBe(1);
  expect(second.lines.at(-1)).toMatchObject({ event: 'cannot-start', detail: expect.stringContaining('in use') });
});

test('says what to do when it is not paired, and when its journal is damaged', async () => {
  const unpaired = relay.start();
  expect(await unpaired.ended).toBe(1);
  expect(unpaired.lines.at(-1)).toMatchObject({ todo: expect.stringContaining('pair') });
  await pair();
  await writeFile(join(relay.state, 'journal.log'), `00000000 {}\n${await wholeLine()}`);
  const damaged = relay.start();
  expect(await damaged.ended).toBe(1);
  expect(damaged.lines.at(-1)).toMatchObject({ todo: expect.stringContaining('--salvage-journal') });
  const salvaged = relay.start({}, ['--salvage-journal']);
  await edge.connected(1);
  expect(await salvaged.logged('journal-mended')).toMatchObject({ damage: 'corrupt' });
});

test('[C14] serves on beside what a later release wrote into its journal and what it is sent of one', async () => {
  await pair();
  await writeFile(join(relay.state, 'journal.log'), LATER_RECORD, { mode: 0o600 });
  const process = relay.start();
  await edge.connected(1);
  expect(await process.logged('journal-of-later-release')).toMatchObject({ passedOver: 1 });
  const command = identityCommand();
  const later = { ...identityCommand({ attempt: 2 }), more: true };
  const alone = { ...identityCommand({ attempt: 3 }), more: true };
  await edge.deliver([later, command]);
  await edge.deliver([alone]);
  const refused = { ok: false, error: { code: 'COMMAND_UNKNOWN' } };
  for (const { commandId } of [later, alone]) expect(await edge.reportOf(commandId)).toMatchObject(refused);
  expect(await edge.reportOf(command.commandId)).toMatchObject({ ok: true, value: { verb: 'ensure-identity' } });
  expect([edge.sessions(), edge.closes]).toEqual([1, []]);
});

const LATER_JSON = JSON.stringify({ kind: 'later', more: true });
const LATER_RECORD = `${crc32(LATER_JSON).toString(16).padStart(8, '0')} ${LATER_JSON}\n`;

async function wholeLine(): Promise<string> {
  const process = relay.start();
  await edge.connected(1);
  process.kill('SIGKILL');
  await process.ended;
  edge.hellos.length = 0;
  return readFile(join(relay.state, 'journal.log'), 'utf8');
}

test('doctor finds all well, [C14] beside a record of a later release, and says what to do when the console is away', async () => {
  await pair();
  await writeFile(join(relay.state, 'journal.log'), LATER_RECORD, { mode: 0o600 });
  const well = await relay.command(['doctor', '--json']);
  expect(well.status).toBe(0);
  const { checks } = JSON.parse(well.stdout);
  expect(checks.map(({ name }: { name: string }) => name)).toEqual(
    expect.arrayContaining(['state folder', 'identity', 'journal', 'dns', 'console', 'clock', 'enrolment port']),
  );
  const journal = checks.find(({ name }: { name: string }) => name === 'journal');
  expect(journal.detail).toBe('0 records; 1 of a later release, passed over');
  const certificate = checks.find(({ name }: { name: string }) => name === 'enrolment certificate');
  expect(certificate).toMatchObject({
    status: expect.stringMatching(/ok|skipped/),
    detail: expect.stringContaining('authority 0'),
  });
  const told = checks.find(({ name }: { name: string }) => name === 'enrolment addresses');
  expect(told.detail).toMatch(/^127\.0\.0\.1:\d+ \(.*\)$/);
  await edge.stop();
  const away = await relay.command(['doctor']);
  expect([away.status, away.stdout]).toEqual([1, expect.stringMatching(/FAILED +console[\s\S]*→/)]);
  edge = await startFakeEdge();
});

type Kill = { readonly point: Failpoint; readonly operation: 'allocate' | 'deploy' | 'release' | 'reserve' };
const KILLS: readonly Kill[] = [
  { point: 'after-receive', operation: 'allocate' },
  { point: 'after-journal-accept', operation: 'allocate' },
  { point: 'after-receipt', operation: 'allocate' },
  { point: 'before-allocate-call', operation: 'allocate' },
  { point: 'after-allocate-call', operation: 'allocate' },
  { point: 'after-annotate', operation: 'allocate' },
  { point: 'after-settle-journal', operation: 'allocate' },
  { point: 'after-report-sent', operation: 'allocate' },
  { point: 'before-deploy-call', operation: 'deploy' },
  { point: 'after-deploy-call', operation: 'deploy' },
  { point: 'before-release-call', operation: 'release' },
  { point: 'after-release-call', operation: 'release' },
  { point: 'after-address-reserve', operation: 'reserve' },
];

/** Begun and not found done: whether it was sent is not known, so the next process does it and says that the first may come yet. */
const IN_DOUBT: ReadonlySet<Failpoint> = new Set<Failpoint>(['before-allocate-call', 'before-deploy-call']);

test.for(KILLS)(
  '[C1, C4, C8, C12] killed at $point, $operation has one effect and no other',
  async ({ point, operation }) => {
    const lab = await startLab({
      inventory: defaultInventory({ machines: 3, timings: { deployMs: 1, powerOnMs: 1, releaseMs: 1, eraseMs: 1 } }),
      driver: machinesThatOnlySwitchOn(new Map()),
    });
    await pair();
    const command = await commandIn(lab, operation);
    const first = relay.start({ SLIPWAY_FAILPOINT: point });
    await edge.connected(1);
    await edge.deliver([command]);
    expect(await first.ended).toBe('SIGKILL');
    edge.manners.outstanding = [command.commandId];
    relay.start();
    await edge.connected(2);
    await edge.deliver([command]);
    const unknown = { ok: false, error: { code: 'MAAS_UNKNOWN_OUTCOME' } };
    expect(await edge.reportOf(command.commandId)).toMatchObject(IN_DOUBT.has(point) ? unknown : { ok: true });
    const done = lab.history.filter((call) => call.operation.endsWith(`.${operation}`) && call.status === 200);
    expect(done).toHaveLength(1);
    const owned = [...lab.region.machines.values()]
      .filter((machine) => machine.owner !== null)
      .map(({ systemId }) => systemId);
    expect(owned).toEqual(operation === 'release' || operation === 'reserve' ? [] : ['m00000']);
    expect(lab.leftovers(LAB_USER).addresses).toBe(operation === 'reserve' ? 1 : 0);
    await lab.close();
  },
);

/** The command of one operation, with a machine under its claim where it needs one. */
async function commandIn(lab: Lab, operation: Kill['operation']): Promise<Command> {
  const sealedKey = await edge.seal({ purpose: 'maas-key', recordId: 'acc_a', version: 1 }, lab.userKey);
  const account = { ...ACCOUNT, endpoint: lab.url, sealedKey };
  const systemId = aSystemId('m00000');
  const deadlineAt = Date.now() + 60_000;
  if (operation === 'allocate') return commandOf(allocateBody(account, ['m00000', 'm00001']), { deadlineAt });
  if (operation === 'reserve') {
    const candidates = ['127.10.0.200', '127.10.0.201'];
    return commandOf({ verb: 'ensure-address', account, fqdn: 'k8s-demo.lab.example', candidates }, { deadlineAt });
  }
  await takeUnderClaim(lab, systemId);
  const machine = { account, claim: CLAIM, systemId };
  return operation === 'deploy'
    ? commandOf(
        { verb: 'ensure-deployed', ...machine, image: 'ubuntu/noble', hweKernel: null, enrolUntil: deadlineAt },
        { deadlineAt },
      )
    : commandOf({ verb: 'ensure-released', ...machine, erase: 'none' }, { deadlineAt });
}

async function takeUnderClaim(lab: Lab, systemId: SystemId): Promise<void> {
  const network = createUndiciTransport({ trust: { kind: 'system' }, proxyUrl: null });
  const maas = clientOver({ endpoint: lab.url, apiKey: lab.userKey, transport: network.send });
  await allocateById(maas, { systemId, claim: CLAIM });
  await network.close();
}
