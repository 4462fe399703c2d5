// R10: what each released version stored and sent, this version loads. Recorded by golden-record.test.ts.
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { GatewayLogic } from '../../functions/objects/gateway-logic.ts';
import { plannerBrain } from '../../functions/objects/planner-brain.ts';
import type { Sql } from '../../functions/objects/sql.ts';
import { SessionState } from '../../functions/objects/tunnel-session.ts';
import { JOURNAL_FILE, openJournal } from '../../relay/journal.ts';
import { ClusterId } from '../../shared/ids.ts';
import { ok } from '../../shared/result.ts';
import { DeliverPayload, EdgeFrame, RelayFrame } from '../../shared/tunnel-frame.ts';
import { testDisk } from '../relay/memory-ports.ts';
import { aCommand, aRelease } from '../storage/command-samples.ts';
import { GatewayBench } from '../storage/gateway-bench.ts';
import { ask } from '../storage/upgrade-scene.ts';
import { TEST_WAITS } from '../support/builders.ts';
import { NO_OWN_MACHINES } from '../support/no-own-machines.ts';
import { nodeSql } from '../support/node-sql.ts';
import { EDGE_FRAMES, RELAY_FRAMES } from './golden-frames.ts';

const FOLDER = new URL('golden/', import.meta.url);
const VERSIONS = readdirSync(FOLDER);
const read = (version: string, name: string) => readFileSync(new URL(`${version}/${name}`, FOLDER));
const parse = (version: string, name: string): unknown => JSON.parse(read(version, name).toString('utf8'));
const NOW = 1_900_000_000_000;

const Cell = z.union([z.string(), z.number(), z.null()]);
const Dump = z.array(z.object({ name: z.string(), sql: z.string(), rows: z.array(z.record(z.string(), Cell)) }));

/** The tables of an object as that version left them. */
function restored(version: string): Sql & { close(): void } {
  const sql = nodeSql();
  for (const { name, sql: statement, rows } of Dump.parse(parse(version, 'gateway-storage.json'))) {
    sql.run(statement);
    for (const row of rows) {
      const columns = Object.keys(row);
      sql.run(
        `INSERT INTO ${name} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
        ...Object.values(row),
      );
    }
  }
  return sql;
}

let bench: GatewayBench | null = null;
afterEach(() => {
  bench?.sql.close();
  bench = null;
});

test('the first release is among them, and a frame of each type of today has a sample', () => {
  expect(VERSIONS).toContain('0.1.0');
  expect(Object.keys(EDGE_FRAMES).sort()).toEqual(EdgeFrame.options.map(({ shape }) => shape.type.value).sort());
  expect(Object.keys(RELAY_FRAMES).sort()).toEqual(RelayFrame.options.map(({ shape }) => shape.type.value).sort());
});

describe.each(VERSIONS)('what %s left', (version) => {
  const states = readdirSync(new URL(`${version}/`, FOLDER)).filter((name) => name.startsWith('cluster-'));

  test.each(states)('%s is planned on, described and keeps every rule', (name) => {
    const state = plannerBrain.decode(parse(version, name));
    const turn = plannerBrain.step(state, [], NOW, TEST_WAITS);
    if (turn.state === null) throw new Error('no state');
    expect(plannerBrain.check(turn.state, turn.plan, NOW)).toEqual([]);
    const view = plannerBrain.describe(turn.state, NOW, TEST_WAITS);
    expect(view.phase).not.toBe('queued');
    expect(plannerBrain.decode(JSON.parse(JSON.stringify(turn.state)))).toEqual(turn.state);
    expect(view.machines.length).toBeGreaterThan(0);
  });

  test('the storage of a gateway is brought up to date, its commands are delivered, and it can be upgraded', async () => {
    const sql = restored(version);
    const own = NO_OWN_MACHINES.ownCluster;
    bench = new GatewayBench({
      sql,
      ownCluster: (scope, id) => ({ ...own(scope, id), view: async () => null, relaysChanged: async () => true }),
      catalogue: { ...NO_OWN_MACHINES.catalogue, putAccount: async () => ok(null) },
      verify: async () => true,
    });
    const view = await bench.logic.view();
    expect(view).toMatchObject({ phase: 'disconnected', upgrade: null, queuedClusters: 0 });
    expect(view?.nodes).toHaveLength(2);
    const [node] = view?.nodes ?? [];
    if (node === undefined) throw new Error('no node');
    const socket = await bench.join({ nodeId: node.nodeId, identityKey: '', sign: async () => 's'.repeat(86) }, 99);
    const ids = socket.delivered().map(({ commandId }) => commandId);
    expect(ids).toEqual([aCommand().commandId, aRelease('w-0', { attempt: 1 }).commandId]);
    expect(await ask(bench)).toMatchObject({ ok: true, value: { upgrade: { stage: 'relays' } } });
    // An object that wakes again reads what this version wrote.
    expect(await new GatewayLogic(bench.ports).view()).toMatchObject({ upgrade: { stage: 'relays' } });
  });

  test('the attachments of its sockets are sessions', () => {
    for (const state of z.array(z.unknown()).parse(parse(version, 'socket-attachments.json')))
      expect(SessionState.parse(state).phase).toBe('ready');
  });

  test('the journal of its relay is whole, and says what was settled, begun and dropped', async () => {
    const disk = testDisk();
    disk.files.set(JOURNAL_FILE, read(version, 'journal.log'));
    const opened = await openJournal(disk, { now: () => NOW, monotonicMs: () => 0 });
    if (!opened.ok) throw new Error(opened.error.detail);
    const { journal, damage } = opened.value;
    expect(damage).toBeNull();
    expect(journal.find(aCommand().commandId)).toMatchObject({ state: 'settled', outcome: { ok: false } });
    expect(journal.unsettled().map(({ command, begun }) => [command.commandId, begun])).toEqual([
      [aRelease('w-0').commandId, true],
    ]);
    expect(journal.generationOf(ClusterId.parse('clu_test'))).toBe(3);
  });

  test('each of its frames is one of ours, and says the same', () => {
    const Frames = z.object({ edge: z.record(z.string(), z.unknown()), relay: z.record(z.string(), z.unknown()) });
    const { edge, relay } = Frames.parse(parse(version, 'frames.json'));
    for (const frame of Object.values(edge)) expect(EdgeFrame.parse(frame)).toEqual(frame);
    for (const frame of Object.values(relay)) expect(RelayFrame.parse(frame)).toEqual(frame);
    const { payload } = z.object({ payload: z.string() }).parse(edge.deliver);
    expect(DeliverPayload.parse(JSON.parse(payload)).commands).toHaveLength(2);
  });
});
