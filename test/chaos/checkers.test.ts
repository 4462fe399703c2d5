// The chaos is worth what its checkers see: each kind of wrong is put before them here.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { JOURNAL_FILE } from '../../relay/journal.ts';
import { decodeJournal, encodeRecord, type JournalRecord } from '../../relay/journal-record.ts';
import { claimOf } from '../../shared/claim.ts';
import type { ClusterView } from '../../shared/cluster-view.ts';
import { CommandId } from '../../shared/command.ts';
import { ClusterId, GatewayId, SlotId } from '../../shared/ids.ts';
import type { HistoryEntry } from '../lab/history.ts';
import { randomOf } from '../simulation/prng.ts';
import { doublesOf } from './audit.ts';
import { tearJournal } from './journal-tail.ts';
import { pointDeck } from './point-deck.ts';
import { createRecoveries } from './recovery.ts';

const CLUSTER = ClusterId.parse('clu_one');
const claim = (attempt: number, slot = 'workers-0') =>
  claimOf({ gatewayId: GatewayId.parse('gw_one'), clusterId: CLUSTER, slot: SlotId.parse(slot), attempt });
const call = (operation: string, machine: string, under: string | null): HistoryEntry => ({
  ...{ atMs: 0, caller: 'slipway', operation, path: '', machine, claim: under, status: 200 },
  ...{ answer: 'sent', parameters: {} },
});
const A_LIFE = [
  call('machines.allocate', 'aaaaaa', claim(1)),
  call('machine.deploy', 'aaaaaa', claim(1)),
  call('machines.release', 'aaaaaa', claim(1)),
];

test('a slot that is given back and taken anew is no double', () => {
  expect(doublesOf([...A_LIFE, call('machines.allocate', 'bbbbbb', claim(2))], [CLUSTER])).toEqual([]);
});

test.for([
  ['one claim with two machines', [...A_LIFE, call('machines.allocate', 'bbbbbb', claim(1))]],
  [
    'one slot with two machines at a time',
    [call('machines.allocate', 'aaaaaa', claim(1)), call('machines.allocate', 'bbbbbb', claim(2))],
  ],
  ["a call on another's machine", [...A_LIFE, call('machine.deploy', 'bbbbbb', claim(1))]],
  ['a call under no claim', [call('machines.release', 'aaaaaa', null)]],
] as const)('%s is a double', ([, history]) => {
  expect(doublesOf([...history], [CLUSTER]).length).toBeGreaterThan(0);
});

const seen = (id: string, phase: string): ClusterView =>
  // Only what counts as progress is looked at.
  ({ id, phase, endpoint: null, machines: [], waitingOn: [{ code: String(Math.random()) }] }) as unknown as ClusterView;

test('recovery runs from the blow to the next progress of each cluster, and words are no progress', () => {
  let nowMs = 0;
  const recoveries = createRecoveries(() => nowMs);
  recoveries.saw(seen('a', 'queued'));
  recoveries.saw(seen('b', 'queued'));
  recoveries.blow('kill');
  nowMs = 1_000;
  recoveries.saw(seen('a', 'queued'));
  expect(recoveries.owed()).toBe(2);
  recoveries.saw(seen('b', 'running'));
  nowMs = 3_000;
  recoveries.ended('a');
  expect(recoveries.all.map(({ cluster, ms }) => [cluster, ms])).toEqual([
    ['b', 1_000],
    ['a', 3_000],
  ]);
});

test('while trouble stands nothing is settled, and the time counts from its end', () => {
  let nowMs = 0;
  const recoveries = createRecoveries(() => nowMs);
  recoveries.saw(seen('a', 'queued'));
  const over = recoveries.trouble('stopped');
  recoveries.blow('kill');
  recoveries.saw(seen('a', 'pending'));
  nowMs = 20_000;
  over();
  nowMs = 21_000;
  recoveries.saw(seen('a', 'running'));
  expect(recoveries.all.map(({ what, ms }) => [what, ms])).toEqual([
    ['kill', 1_000],
    ['stopped', 1_000],
  ]);
});

test('every point is drawn once before any is drawn again, and the order is the seed', () => {
  const points = ['a', 'b', 'c', 'd', 'e', 'f'] as const;
  const drawn = (seed: number) => {
    const deck = pointDeck(points, randomOf(seed, 'test'));
    return points.map(() => deck.draw().point);
  };
  expect(drawn(1).toSorted()).toEqual([...points]);
  expect(drawn(1)).toEqual(drawn(1));
  expect(new Set([1, 2, 3, 4].map((seed) => drawn(seed).join())).size).toBeGreaterThan(1);
});

test("a torn journal is one that the relay mends, with a fence's record in it still", () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-tail-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, JOURNAL_FILE);
  const fence: JournalRecord = { kind: 'join', reservedBelow: 32 };
  const dropped: JournalRecord = {
    kind: 'dropped',
    commandId: CommandId.parse(`${CLUSTER}/x/observe-cluster/1/1`),
    at: 0,
  };
  for (const records of [[fence], [fence, dropped]])
    for (let seed = 0; seed < 50; seed += 1) {
      writeFileSync(path, Buffer.concat(records.map(encodeRecord)));
      expect(tearJournal(folder, randomOf(seed, 'tail'))).not.toBeNull();
      const read = decodeJournal(readFileSync(path));
      expect(read.damage?.kind ?? 'torn-tail').toBe('torn-tail');
      expect(read.records[0]).toEqual(fence);
    }
});
