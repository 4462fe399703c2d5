// What the objects need from SQLite, run against workerd's (test/edge) and Node's (test/storage): the simulator is only worth
// something if the two agree.
import { expect } from 'vitest';
import { clusterStorage, STATE_BYTES_MAX, STATE_CHUNK_BYTES } from '../../functions/objects/cluster-storage.ts';
import { commandQueue } from '../../functions/objects/command-queue.ts';
import { gatewayStorage } from '../../functions/objects/gateway-storage.ts';
import { letterNumbers } from '../../functions/objects/letter-numbers.ts';
import type { Sql } from '../../functions/objects/sql.ts';
import type { Effect } from '../../functions/plan/plan.ts';
import { GATEWAY_QUEUE_MAX, TIMELINE_ENTRIES_MAX } from '../../shared/limits.ts';
import { aCommand, aRelease, CLUSTER_ID, GATEWAY_ID, SCOPE } from './command-samples.ts';

const NOW = 1_800_000_000_000;

/** Name and law of each case; `sql` is empty storage. */
export const STORAGE_CASES: readonly { readonly name: string; readonly run: (sql: Sql) => void }[] = [
  {
    name: 'asking for what was never created leaves nothing behind',
    run(sql) {
      expect(clusterStorage(sql).exists()).toBe(false);
      expect(gatewayStorage(sql).gateway()).toBeNull();
      expect(
        sql.run("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'"),
      ).toEqual([]);
    },
  },
  {
    name: 'a state larger than a row comes back whole, and a smaller one leaves no rest of it',
    run(sql) {
      const storage = clusterStorage(sql);
      storage.open();
      // Cut in the middle of characters of three bytes.
      const large = '€'.repeat(STATE_CHUNK_BYTES);
      storage.commit(large, null, []);
      expect(storage.readState() === large).toBe(true);
      storage.commit('{"small":"ä"}', null, []);
      expect(storage.readState()).toBe('{"small":"ä"}');
      expect(() => storage.commit('x'.repeat(STATE_BYTES_MAX + 1), null, [])).toThrow(/bytes/);
      expect(storage.readState()).toBe('{"small":"ä"}');
    },
  },
  {
    name: 'state, wake-up, outbox and timeline are kept together or not at all',
    run(sql) {
      const storage = clusterStorage(sql);
      storage.open();
      storage.commit('first', NOW, []);
      // SQLite takes NaN for null, which the column refuses: after the state was written.
      const broken: Effect = { kind: 'record-timeline', entries: [anEntry(1), anEntry(Number.NaN)] };
      expect(() =>
        storage.commit('second', NOW + 1, [{ kind: 'send-command', command: aCommand() }, broken]),
      ).toThrow();
      expect(storage.readState()).toBe('first');
      expect(storage.wakeAt()).toBe(NOW);
      expect(storage.outbox('gateway', 10)).toEqual([]);
      expect(storage.timeline(0, 10)).toEqual([]);
    },
  },
  {
    name: 'the outbox keeps order, knows repeats, and keeps what took the place of a row being carried out',
    run(sql) {
      const storage = clusterStorage(sql);
      storage.open();
      const [first, second] = [aCommand({ subject: 'a' }), aCommand({ subject: 'b' })];
      storage.commit(null, null, [send(first), send(second), send(first)]);
      expect(storage.outbox('gateway', 10).map(({ body }) => body)).toEqual([send(second), send(first)]);
      const taken = storage.outbox('gateway', 10);
      storage.commit(null, null, [send(first)]);
      storage.delivered(
        'gateway',
        taken.map(({ id }) => id),
      );
      expect(storage.outbox('gateway', 10).map(({ body }) => body)).toEqual([send(first)]);
    },
  },
  {
    name: 'a withdrawal takes what was not handed over out of the outbox',
    run(sql) {
      const storage = clusterStorage(sql);
      storage.open();
      const command = aCommand();
      const withdrawal: Effect = { kind: 'withdraw-commands', commandIds: [command.commandId] };
      storage.commit(null, null, [send(command), withdrawal]);
      expect(storage.outbox('gateway', 10).map(({ body }) => body)).toEqual([withdrawal]);
    },
  },
  {
    name: 'a failed lane says when it may be tried again, until something is delivered',
    run(sql) {
      const storage = clusterStorage(sql);
      storage.open();
      expect(storage.lane('gateway')).toBeNull();
      storage.commit(null, null, [send(aCommand())]);
      expect(storage.lane('gateway')).toEqual({ failures: 0, retryAt: 0 });
      storage.laneFailed('gateway', 3, NOW);
      expect(storage.lane('gateway')).toEqual({ failures: 3, retryAt: NOW });
      storage.delivered(
        'gateway',
        storage.outbox('gateway', 1).map(({ id }) => id),
      );
      expect(storage.lane('gateway')).toBeNull();
    },
  },
  {
    name: 'the timeline counts on and forgets its oldest entries',
    run(sql) {
      const storage = clusterStorage(sql);
      storage.open();
      const entries = Array.from({ length: TIMELINE_ENTRIES_MAX + 7 }, (_, index) => anEntry(index + 1));
      storage.commit(null, null, [{ kind: 'record-timeline', entries }]);
      const [oldest] = storage.timeline(0, 1);
      expect(oldest).toEqual({ seq: 8, ...anEntry(8) });
      storage.commit(null, null, [{ kind: 'record-timeline', entries: [anEntry(0)] }]);
      expect(storage.timeline(TIMELINE_ENTRIES_MAX + 7, 10).map(({ seq }) => seq)).toEqual([TIMELINE_ENTRIES_MAX + 8]);
    },
  },
  {
    name: '[C5] a newer attempt supersedes the older of its subject and verb, and an older one that comes late is not taken',
    run(sql) {
      const queue = openQueue(sql);
      const [older, newer, other] = [aRelease('w-0'), aRelease('w-0', { attempt: 1 }), aRelease('w-1')];
      queue.add([older, other], NOW);
      expect(queue.add([newer], NOW)).toMatchObject({ ok: true, value: { superseded: [older.commandId] } });
      expect(queue.ids()).toEqual([other.commandId, newer.commandId]);
      queue.add([older], NOW);
      expect(queue.ids()).toEqual([other.commandId, newer.commandId]);
      const nextGeneration = aRelease('w-0', { generation: 2 });
      expect(queue.add([nextGeneration], NOW)).toMatchObject({ value: { superseded: [newer.commandId] } });
    },
  },
  {
    name: '[C2] a known id is taken once, and another body under it is told and not taken',
    run(sql) {
      const queue = openQueue(sql);
      const command = aCommand();
      queue.add([command], NOW);
      expect(queue.add([command], NOW)).toMatchObject({ value: { superseded: [], changed: [] } });
      const changed = { ...command, deadlineAt: command.deadlineAt - 1 };
      expect(queue.add([changed], NOW)).toMatchObject({ value: { changed: [command.commandId] } });
      expect(queue.unsent('session', 10)).toEqual([command]);
    },
  },
  {
    name: 'the queue is full at its bound, for new commands only: a repeat or a newer attempt still fits',
    run(sql) {
      const queue = openQueue(sql);
      const commands = Array.from({ length: GATEWAY_QUEUE_MAX }, (_, index) => aCommand({ subject: `s-${index}` }));
      queue.add(commands, NOW);
      expect(queue.add([aCommand({ subject: 'one-more' })], NOW)).toMatchObject({
        error: { code: 'GATEWAY_QUEUE_FULL' },
      });
      expect(queue.add(commands.slice(0, 5), NOW)).toMatchObject({ ok: true });
      expect(queue.add([aCommand({ subject: 's-3', attempt: 1 })], NOW)).toMatchObject({ ok: true });
      expect(queue.count()).toBe(GATEWAY_QUEUE_MAX);
    },
  },
  {
    name: '[T5] each session is sent everything unsettled once, in order',
    run(sql) {
      const queue = openQueue(sql);
      const commands = [aCommand({ subject: 'a' }), aCommand({ subject: 'b' }), aCommand({ subject: 'c' })];
      queue.add(commands, NOW);
      expect(queue.unsent('one', 2)).toEqual(commands.slice(0, 2));
      queue.sent(commands.slice(0, 2), 'one', 'node/boot');
      expect(queue.unsent('one', 2)).toEqual(commands.slice(2));
      expect(queue.unsent('two', 10)).toEqual(commands);
      queue.settle([commands[0]?.commandId ?? aCommand().commandId]);
      expect(queue.unsent('two', 10)).toEqual(commands.slice(1));
    },
  },
  {
    name: '[GW4] notices to the machines’ cluster are counted in storage, for as long as the gateway stands',
    run(sql) {
      const { own } = openGateway(sql);
      expect(own.read().notices).toBe(0);
      expect([own.nextNotice(), own.nextNotice()]).toEqual([1, 2]);
      expect(sql.run('SELECT notices FROM own')).toEqual([{ notices: 2 }]);
      // As an object that starts anew.
      const again = gatewayStorage(sql).own;
      expect([again.nextNotice(), again.read().notices]).toEqual([3, 3]);
      // Neither another cluster nor what else is kept of it begins the count anew.
      const networks = { zones: [], podCidr: '10.1.0.0/16', serviceCidr: '10.2.0.0/16' };
      const minimums = { cpuCores: 4, memoryMiB: 8_192, diskGB: 60 };
      again.begin(CLUSTER_ID, { size: 1, minimums, ...networks }, 'run', null);
      again.told('[]');
      expect(again.nextNotice()).toBe(4);
      // What it was told before is not certain any more: this one may be heard though nobody answers.
      expect(again.read().relaysTold).toBeNull();
      again.giveBack();
      again.forget();
      expect(again.nextNotice()).toBe(5);
    },
  },
  {
    name: '[L9] numbers of letters are given once, whoever asks for them and however often',
    run(sql) {
      const storage = openGateway(sql);
      const first = storage.reserveLetters(10);
      expect(first).toBeGreaterThan(0);
      expect(storage.reserveLetters(10)).toBe(first + 10);
      // As an object that starts anew.
      expect(gatewayStorage(sql).reserveLetters(1)).toBe(first + 20);
      const numbers = letterNumbers((count) => storage.reserveLetters(count));
      const given = Array.from({ length: 2_500 }, () => numbers.next());
      expect(given[0]).toBe(first + 21);
      expect(given).toEqual([...new Set(given)].toSorted((one, other) => one - other));
      expect(storage.reserveLetters(1)).toBeGreaterThan(given.at(-1) ?? 0);
    },
  },
  {
    name: 'the commands of one frame stay within its size',
    run(sql) {
      const queue = openQueue(sql);
      const large = (subject: string) =>
        aCommand({
          subject,
          body: { verb: 'ensure-identity', clusterName: 'n'.repeat(800_000), existing: null },
        });
      queue.add([large('a'), large('b'), large('c')], NOW);
      expect(queue.unsent('session', 100)).toHaveLength(2);
      expect(
        queue.add(
          [{ ...large('d'), body: { verb: 'ensure-identity', clusterName: 'n'.repeat(2_000_000), existing: null } }],
          NOW,
        ),
      ).toMatchObject({ ok: false });
    },
  },
];

const send = (command: ReturnType<typeof aCommand>): Effect => ({ kind: 'send-command', command });

function anEntry(at: number) {
  return { at, kind: 'note', slot: null, message: `entry ${at}`, log: null };
}

function openQueue(sql: Sql) {
  openGateway(sql);
  return commandQueue(sql);
}

function openGateway(sql: Sql) {
  const storage = gatewayStorage(sql);
  storage.create({ scope: SCOPE, gatewayId: GATEWAY_ID, name: 'sample', createdAt: NOW });
  return storage;
}
