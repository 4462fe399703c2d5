// MAAS as it is on a bad day: answers that never arrive, no answers at all, slow ones, a proxy's page instead of one, a key that
// is wrong or taken away. The cluster waits, says for what, and comes right by itself; nothing is taken twice.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { AccountView } from '../../shared/gateway-view.ts';
import type { ClusterId } from '../../shared/ids.ts';
import { HTML_502 } from '../lab/faults.ts';
import { LAB_USER } from '../lab/lab.ts';
import { addToken, keyOf } from '../lab/maas/users-and-keys.ts';
import { ApiProblem } from '../support/api-client.ts';
import { until } from '../support/until.ts';
import { breachesOf, callsOf } from './claims.ts';
import { openScene, type Scene } from './scene.ts';

const Accounts = z.object({ items: z.array(AccountView) });

let scene: Scene;
const made: ClusterId[] = [];
beforeAll(async () => {
  // Short, so that a command that finds no MAAS is answered within the test.
  scene = await openScene({ machines: 6, waits: { allocateDeadlineMs: 8_000, commandDeadlineMs: 8_000 } });
});
afterAll(() => scene.close());
afterEach(() => scene.lab.faults.clear());

/** Taking, deploying and reserving again would be a leak; marking and giving back again is harmless. */
const ONCE_ONLY = ['machines.allocate', 'machine.deploy', 'ipaddresses.reserve'];
const LOST = [...ONCE_ONLY, 'machine.set_workload_annotations', 'machine.release', 'ipaddresses.release'];

test('the first answer to each kind of change is lost: it is looked for, not asked for twice', async () => {
  for (const operation of LOST) scene.lab.faults.arm({ kind: 'lose-answer', match: { operation }, times: 1 });
  const { machines } = await runAndRemove('lost');
  for (const operation of LOST) {
    const calls = callsOf(scene.lab.history, operation);
    expect([operation, calls.filter(({ answer }) => answer === 'lost').length]).toEqual([operation, 1]);
    const wanted = operation.startsWith('ipaddresses') ? 1 : machines.length;
    if (ONCE_ONLY.includes(operation)) expect([operation, calls.length]).toEqual([operation, wanted]);
  }
});

test('MAAS is down in the middle of a create: the cluster says so and goes on afterwards', async () => {
  const cluster = await createTaking('outage');
  scene.lab.faults.arm({ kind: 'refuse-connection' });
  const told = await until(40_000, 'the outage to be told', async () =>
    (await scene.api.cluster(cluster.id)).waitingOn.find(({ code }) => code.startsWith('MAAS_')),
  );
  expect(told).toMatchObject({ slot: expect.stringMatching(/-0$/), sentence: expect.stringContaining('Trying again') });
  scene.lab.faults.clear();
  await scene.reach(cluster.id, 'running', 90_000);
  await scene.remove(cluster.id);
  expectClean();
});

test('MAAS answers slowly: nothing is asked twice', async () => {
  const before = callsOf(scene.lab.history, 'machines.allocate').length;
  scene.lab.faults.arm({ kind: 'delay', delayMs: 1_500, times: 5 });
  const cluster = await runAndRemove('slow');
  expect(callsOf(scene.lab.history, 'machines.allocate').length - before).toBe(cluster.machines.length);
});

const PAGES = [
  { status: 502, contentType: 'text/html', body: HTML_502 },
  { status: 200, contentType: 'text/html; charset=utf-8', body: '<!doctype html><title>Sign in</title>' },
  { status: 200, contentType: 'application/json', body: '{"hello":"world"}' },
];
test('a proxy’s page, a login page and foreign JSON are waited out, never taken for answers', async () => {
  for (const page of PAGES) scene.lab.faults.arm({ kind: 'answer', ...page, times: 2 });
  await runAndRemove('pages');
  expect(scene.lab.faults.armed()).toBe(0);
});

test('a wrong key is refused when the account is made, and nothing is saved', async () => {
  const wrong = { name: 'wrong', gatewayId: scene.gateway.id, endpoint: scene.lab.url, apiKey: 'aaaa:bbbb:cccc' };
  const answer = await scene.api.createAccount(wrong).catch((error: unknown) => error);
  expect(answer instanceof ApiProblem && answer.problem.code).toBe('MAAS_UNAUTHORIZED');
  const { items } = await scene.api.raw(Accounts, 'GET', '/cloud-accounts');
  expect(items.map(({ name }) => name)).toEqual(['maas']);
});

test('a key revoked in mid-life: the cluster says so, a new key makes it go on', async () => {
  const cluster = await createTaking('revoked');
  scene.lab.faults.denyKey(scene.lab.userKey);
  const told = await scene.waitingFor(cluster.id, 'MAAS_UNAUTHORIZED');
  expect(told.sentence).toContain('Make a new key in MAAS.');
  const apiKey = keyOf(addToken(scene.lab.region, LAB_USER, 'a new one'));
  const updated = await scene.api.raw(AccountView, 'PATCH', `/cloud-accounts/${scene.account.id}`, { apiKey });
  expect(updated.keyVersion).toBe(2);
  await scene.reach(cluster.id, 'running');
  await scene.remove(cluster.id);
  expectClean();
});

async function create(name: string) {
  const cluster = await scene.create(name);
  made.push(cluster.id);
  return cluster;
}

/** Comes back while machines are being taken: the answers are held back for a moment. */
async function createTaking(name: string) {
  scene.lab.faults.arm({ kind: 'delay', match: { operation: 'machines.allocate' }, delayMs: 2_000, times: 2 });
  const cluster = await create(name);
  await until(20_000, 'a machine to be taken', () =>
    callsOf(scene.lab.history, 'machines.allocate').some(isOf(cluster.id)),
  );
  return cluster;
}

async function runAndRemove(name: string) {
  const cluster = await create(name);
  const running = await scene.reach(cluster.id, 'running', 90_000);
  await scene.remove(cluster.id);
  expectClean();
  return running;
}

function expectClean(): void {
  expect(breachesOf(scene.lab.history, made)).toEqual([]);
  expect(scene.held()).toBe(0);
}

const isOf =
  (id: ClusterId) =>
  ({ claim }: { claim: string | null }): boolean =>
    claim?.includes(id) ?? false;
