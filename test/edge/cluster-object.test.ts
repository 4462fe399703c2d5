import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test';
import { expect, test, vi } from 'vitest';
import { clusterOf } from '../../functions/env.ts';
import type { ClusterRpc } from '../../functions/objects/rpc.ts';
import { openCatalogue } from '../../functions/store/catalogue.ts';
import { findCluster } from '../../functions/store/clusters.ts';
import { sweep } from '../../functions/sweep.ts';
import { commandIdOf } from '../../shared/command.ts';
import { ClusterId, GatewayId } from '../../shared/ids.ts';
import { DELETED_CLUSTER_KEPT_MS } from '../../shared/limits.ts';
import { aCreation } from '../storage/cluster-sample.ts';
import { SCOPE } from '../storage/command-samples.ts';
import {
  armedAt,
  breakState,
  clusterStub,
  inStorage,
  mendState,
  rewriteState,
  storedState,
  tablesOf,
} from './cluster-storage-access.ts';
import { edgeEnv, gatewayAt, makeGateway, makeNode } from './fake-relay.ts';

const until = (look: () => Promise<unknown>) => vi.waitFor(look, { timeout: 4_000, interval: 20 });
const clusterAt = (id: string): ClusterRpc => clusterOf(edgeEnv, SCOPE, ClusterId.parse(id));
const rowOf = (id: string) => findCluster(openCatalogue(edgeEnv.CATALOGUE), SCOPE, ClusterId.parse(id));
const outstanding = async (id: string) => (await gatewayAt(id).view())?.outstandingCommands ?? 0;

test('a created cluster has commands in its gateway’s queue, a row in the catalogue and an alarm', async () => {
  const { gatewayId } = await makeNode('gw_creates');
  const view = await clusterAt('clu_creates').create(aCreation('clu_creates', gatewayId));
  expect(view).toMatchObject({ id: 'clu_creates', phase: 'pending', provisionedAt: null });
  expect(view.waitingOn.length).toBeGreaterThan(0);
  await until(async () => expect(await outstanding('gw_creates')).toBeGreaterThan(0));
  await until(async () => expect(await rowOf('clu_creates')).toMatchObject({ summary: { phase: 'pending' } }));
  expect(await armedAt('clu_creates')).toBeGreaterThan(Date.now());
  expect((await clusterAt('clu_creates').timeline(0, 100)).map(({ seq }) => seq)).toContain(1);
});

test('creating again changes nothing', async () => {
  const { gatewayId } = await makeNode('gw_twice');
  await clusterAt('clu_twice').create(aCreation('clu_twice', gatewayId));
  await until(async () => expect(await outstanding('gw_twice')).toBeGreaterThan(0));
  const before = await outstanding('gw_twice');
  const [first, entries] = [await storedState('clu_twice'), await clusterAt('clu_twice').timeline(0, 100)];
  await clusterAt('clu_twice').create(aCreation('clu_twice', gatewayId));
  expect({ ...(await storedState('clu_twice')), ignored: 0 }).toEqual({ ...first, ignored: 0 });
  expect(await clusterAt('clu_twice').timeline(0, 100)).toEqual(entries);
  expect(await outstanding('gw_twice')).toBe(before);
});

test('a cluster that never was answers nothing and leaves nothing behind', async () => {
  expect(await clusterAt('clu_never').view()).toBeNull();
  expect(await clusterAt('clu_never').timeline(0, 10)).toEqual([]);
  expect(await clusterAt('clu_never').access()).toBeNull();
  expect(await clusterAt('clu_never').requestAbort('someone')).toMatchObject({ error: { code: 'NOT_FOUND' } });
  await clusterAt('clu_never').gatewayConnected(true);
  await clusterAt('clu_never').poke();
  await clusterAt('clu_never').report([], []);
  expect(await tablesOf('clu_never')).toEqual([]);
  expect(await armedAt('clu_never')).toBeNull();
});

test('[I9] an alarm whose planning fails does not throw, and the next one is armed', async () => {
  const { gatewayId } = await makeNode('gw_fails');
  await clusterAt('clu_fails').create(aCreation('clu_fails', gatewayId));
  await until(async () => expect(await outstanding('gw_fails')).toBeGreaterThan(0));
  await breakState('clu_fails');
  const pauses: number[] = [];
  for (let failure = 0; failure < 3; failure += 1) {
    expect(await runDurableObjectAlarm(clusterStub('clu_fails'))).toBe(true);
    pauses.push(((await armedAt('clu_fails')) ?? 0) - Date.now());
  }
  expect(pauses.every((pause) => pause > 0)).toBe(true);
  expect(pauses[2]).toBeGreaterThan(pauses[0] ?? 0);
  await mendState('clu_fails');
  expect(await runDurableObjectAlarm(clusterStub('clu_fails'))).toBe(true);
  expect(await clusterAt('clu_fails').view()).toMatchObject({ phase: 'pending' });
});

test('a report that can not be stored is refused, so that it comes again', async () => {
  const { gatewayId } = await makeNode('gw_refuses');
  await clusterAt('clu_refuses').create(aCreation('clu_refuses', gatewayId));
  await breakState('clu_refuses');
  const reported = async () => {
    await clusterAt('clu_refuses').report(
      [],
      [{ clusterId: ClusterId.parse('clu_refuses'), at: 1, fact: { kind: 'inventory-changed' } }],
    );
  };
  await expect(reported()).rejects.toThrow();
  await mendState('clu_refuses');
  await reported();
});

test('commands that the gateway would not take stay in the outbox and are tried again', async () => {
  const creation = aCreation('clu_retries', (await makeNode('gw_other')).gatewayId);
  const gatewayId = GatewayId.parse('gw_later');
  await clusterAt('clu_retries').create({ ...creation, gatewayId });
  await until(async () => expect(await waiting('clu_retries')).toMatchObject([{ failures: expect.any(Number) }]));
  await makeGateway('gw_later');
  await until(async () => {
    await runDurableObjectAlarm(clusterStub('clu_retries'));
    expect(await outstanding('gw_later')).toBeGreaterThan(0);
  });
  await until(async () => expect(await waiting('clu_retries')).toEqual([]));
});

test('[C3] an eviction between commit and hand-over loses nothing', async () => {
  const { gatewayId } = await makeNode('gw_evicted');
  await clusterAt('clu_evicted').create(aCreation('clu_evicted', gatewayId));
  await until(async () => expect(await outstanding('gw_evicted')).toBeGreaterThan(0));
  const sent = (await storedState('clu_evicted')).pending;
  // As if the object had been lost before the outbox was drained: its rows are back, the gateway has none of them.
  await gatewayAt('gw_evicted').withdraw(Object.values(sent).map(({ commandId }) => commandId));
  expect(await outstanding('gw_evicted')).toBe(0);
  const { generation } = await storedState('clu_evicted');
  await inStorage('clu_evicted', ({ storage }) => {
    const command = {
      ...{
        commandId: commandIdOf('clu_evicted', 'cluster', 'ensure-identity', generation, 9),
        scope: SCOPE,
        gatewayId,
      },
      ...{ clusterId: 'clu_evicted', subject: 'cluster', generation, attempt: 9, deadlineAt: Date.now() + 60_000 },
      body: { verb: 'ensure-identity', clusterName: 'x', existing: null },
    };
    const body = JSON.stringify({ kind: 'send-command', command });
    storage.sql.exec("INSERT INTO outbox (lane, key, body) VALUES ('gateway', 'kept', ?)", body);
  });
  await evictDurableObject(clusterStub('clu_evicted'));
  expect(await runDurableObjectAlarm(clusterStub('clu_evicted'))).toBe(true);
  expect(await outstanding('gw_evicted')).toBe(1);
});

test('a repeated report changes neither state nor timeline', async () => {
  const { gatewayId } = await makeNode('gw_repeats');
  await clusterAt('clu_repeats').create(aCreation('clu_repeats', gatewayId));
  const before = await storedState('clu_repeats');
  const [pending] = Object.values(before.pending);
  if (pending === undefined) throw new Error('nothing pending');
  const settled = [
    { commandId: pending.commandId, outcome: { ok: false, error: { code: 'DEADLINE_PASSED', detail: 'late' } } },
  ] as const;
  await clusterAt('clu_repeats').report(settled, []);
  // At rest again: the next attempt is sent, and the gateway has said that no relay is connected.
  await until(async () => {
    const { pending: next, gateway } = await storedState('clu_repeats');
    expect(gateway?.connected).toBe(false);
    expect(Object.keys(next)).toHaveLength(Object.keys(before.pending).length);
  });
  const [state, entries] = [await storedState('clu_repeats'), await clusterAt('clu_repeats').timeline(0, 100)];
  await clusterAt('clu_repeats').report(settled, []);
  expect({ ...(await storedState('clu_repeats')), ignored: 0 }).toEqual({ ...state, ignored: 0 });
  expect(await clusterAt('clu_repeats').timeline(0, 100)).toEqual(entries);
});

test('what is not provisioned is aborted, not deleted; and the end may be asked for twice', async () => {
  const { gatewayId } = await makeNode('gw_ends');
  await clusterAt('clu_ends').create(aCreation('clu_ends', gatewayId));
  expect(await clusterAt('clu_ends').requestDeletion('kim')).toMatchObject({ error: { code: 'USE_ABORT' } });
  expect(await clusterAt('clu_ends').requestAbort('kim')).toMatchObject({ ok: true });
  expect(await clusterAt('clu_ends').requestAbort('kim')).toMatchObject({ ok: true });
  expect((await storedState('clu_ends')).intent).toMatchObject({ kind: 'aborted', actor: 'kim' });
});

test('a deleted cluster is readable for 72 h, then nothing of it is left', async () => {
  const { gatewayId } = await makeNode('gw_erases');
  await clusterAt('clu_erases').create(aCreation('clu_erases', gatewayId));
  await until(async () => expect(await waiting('clu_erases')).toEqual([]));
  const deletedAt = Date.now();
  await rewriteState('clu_erases', (state) => ({ ...state, deletedAt, pending: {} }));
  await clusterAt('clu_erases').poke();
  await until(async () => expect(await rowOf('clu_erases')).toMatchObject({ summary: { phase: 'deleted' } }));
  expect(await armedAt('clu_erases')).toBe(deletedAt + DELETED_CLUSTER_KEPT_MS);
  vi.useFakeTimers({ toFake: ['Date'], now: deletedAt + DELETED_CLUSTER_KEPT_MS - 1_000 });
  await runDurableObjectAlarm(clusterStub('clu_erases'));
  expect(await clusterAt('clu_erases').view()).toMatchObject({ phase: 'deleted' });
  vi.useFakeTimers({ toFake: ['Date'], now: deletedAt + DELETED_CLUSTER_KEPT_MS + 1 });
  await holdBack('clu_erases');
  await runDurableObjectAlarm(clusterStub('clu_erases'));
  // What is decided and not carried out goes first.
  expect(await clusterAt('clu_erases').view()).toMatchObject({ phase: 'deleted' });
  await inStorage('clu_erases', ({ storage }) => void storage.sql.exec('DELETE FROM outbox'));
  await runDurableObjectAlarm(clusterStub('clu_erases'));
  vi.useRealTimers();
  expect(await clusterAt('clu_erases').view()).toBeNull();
  expect(await tablesOf('clu_erases')).toEqual([]);
  expect(await armedAt('clu_erases')).toBeNull();
});

test('the sweep wakes a cluster whose alarm was lost', async () => {
  const { gatewayId } = await makeNode('gw_sweeps');
  await clusterAt('clu_sweeps').create(aCreation('clu_sweeps', gatewayId));
  await until(async () => expect(await waiting('clu_sweeps')).toEqual([]));
  await inStorage('clu_sweeps', ({ storage }) => storage.deleteAlarm());
  await evictDurableObject(clusterStub('clu_sweeps'));
  await edgeEnv.CATALOGUE.prepare('UPDATE clusters SET wake_at = 1 WHERE id = ?').bind('clu_sweeps').run();
  await sweep(edgeEnv);
  expect(await armedAt('clu_sweeps')).toBeGreaterThan(Date.now());
});

/** Something in the outbox that may not be tried yet. */
function holdBack(id: string) {
  return inStorage(id, ({ storage }) => {
    const body = JSON.stringify({ kind: 'withdraw-commands', commandIds: [] });
    storage.sql.exec("INSERT INTO outbox (lane, key, body) VALUES ('gateway', 'held', ?)", body);
    storage.sql.exec("INSERT INTO lane (name, failures, retry_at) VALUES ('gateway', 1, ?)", Date.now() + 3_600_000);
  });
}

/** The lanes that have something waiting. */
function waiting(id: string) {
  return inStorage(id, ({ storage }) =>
    storage.sql
      .exec(
        'SELECT DISTINCT outbox.lane, coalesce(failures, 0) AS failures FROM outbox LEFT JOIN lane ON name = outbox.lane',
      )
      .toArray(),
  );
}
