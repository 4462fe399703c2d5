// Bugs of the relay's lease, dispatch and journal.
import type { Mutant } from './mutant.ts';

const DISPATCH = 'relay/commands/dispatch.ts';
const JOURNAL = 'relay/journal.ts';
const LEASE = 'relay/tunnel/lease.ts';

export const RELAY_MUTANTS: readonly Mutant[] = [
  {
    name: 'no-lease',
    bug: 'changes are made without the lease',
    patches: [
      {
        file: LEASE,
        from: 'const isHeld = (): boolean => clock.monotonicMs() < state.heldUntilMs;',
        to: 'const isHeld = (): boolean => true;',
      },
    ],
  },
  {
    name: 'lease-counted-from-its-answer',
    bug: 'a late answer makes the relay believe in a lease that the edge has given to another',
    bias: {
      workload: 'failover',
      relays: 2,
      only: true,
      rates: { 'frame-late': 0.2, 'socket-cut': 0.03, 'maas-slow': 0.4 },
      stormMs: 300_000,
      acts: [
        { act: 'partition', times: 1, betweenMs: [5_000, 90_000] },
        { act: 'partition', times: 1, betweenMs: [5_000, 200_000] },
        { act: 'relay-pauses', times: 1, betweenMs: [5_000, 90_000] },
      ],
    },
    patches: [
      {
        file: LEASE,
        from: 'state.heldUntilMs = askedAtMs + Math.min(LEASE_RELAY_MS, durationMs);',
        to: 'state.heldUntilMs = nowMs + 10 * durationMs;',
      },
    ],
  },
  {
    name: 'no-guard',
    bug: 'a new leader does not wait for what the old one may have on the way',
    bias: { relays: 2, only: true, rates: { 'maas-reordered': 0.5, 'relay-lost-at-point': 0.04 }, stormMs: 300_000 },
    patches: [
      { file: LEASE, from: '  takeGuards(state.guards, guards, nowMs);', to: '  takeGuards(state.guards, [], nowMs);' },
    ],
  },
  {
    name: 'stale-look-after-the-lease',
    bug: 'what was seen before the wait for the lease is acted upon after it',
    bias: {
      relays: 1,
      rival: true,
      spare: 0,
      only: true,
      end: { kind: 'delete', afterMs: [40_000, 90_000] },
      rates: { 'relay-lost-at-point': 0.05 },
      stormMs: 240_000,
      acts: [{ act: 'human-releases', times: 10, betweenMs: [60_000, 200_000] }],
    },
    patches: [{ file: 'relay/commands/run-command.ts', from: '    if (!isHeld) return err(lookAgain);\n', to: '' }],
  },
  {
    name: 'no-fence',
    bug: 'a lower generation is run like any other',
    patches: [
      {
        file: 'relay/commands/refusals.ts',
        from: '  if (command.generation >= highest) return null;',
        to: '  if (command.generation >= highest || highest >= 0) return null;',
      },
    ],
  },
  {
    name: 'told-before-written',
    bug: 'an outcome is reported before the journal holds it',
    patches: [{ file: DISPATCH, from: '  while (isJournalled) {', to: '  while (isJournalled && isDraining()) {' }],
  },
  {
    name: 'settled-is-run-again',
    bug: 'a repeat of a settled command is run instead of answered',
    patches: [
      { file: DISPATCH, from: "state === 'settled') return known.outcome;", to: "state === 'settled') return 'run';" },
    ],
  },
  {
    name: 'one-subject-at-once',
    bug: 'commands of one subject run beside each other',
    bias: {
      workload: 'abort',
      only: true,
      end: { kind: 'abort', afterMs: [2_000, 60_000] },
      rates: { 'maas-reordered': 0.4, 'maas-slow': 0.4 },
      stormMs: 120_000,
    },
    patches: [
      {
        file: DISPATCH,
        from: 'else lanes.run(laneOf(command), work);',
        to: 'else lanes.run(`${laneOf(command)} ${command.commandId}`, work);',
      },
    ],
  },
  {
    name: 'withdraw-is-ignored',
    bug: 'what is withdrawn is carried on',
    patches: [{ file: 'relay/relay.ts', from: 'return dispatch.withdraw(frame.commandIds);', to: 'return;' }],
  },
  {
    name: 'welcome-stops-nothing',
    bug: 'what was superseded while the relay was away is carried on (T5)',
    bias: {
      relays: 2,
      only: true,
      end: { kind: 'delete', afterMs: [60_000, 240_000] },
      stormMs: 480_000,
      acts: [
        { act: 'partition', times: 1, betweenMs: [20_000, 200_000] },
        { act: 'partition', times: 1, betweenMs: [20_000, 200_000] },
      ],
    },
    patches: [{ file: 'relay/relay.ts', from: '      dispatch.keepOnly(welcome.outstanding);\n', to: '' }],
  },
  {
    name: 'generation-only-in-memory',
    bug: 'a restart forgets the highest generation',
    patches: [
      {
        file: JOURNAL,
        from: '      return writeGeneration(clusterId);',
        to: '      return Promise.resolve(ok(null));',
      },
    ],
  },
  {
    name: 'join-counter-used-again',
    bug: 'a restart begins at the counters that were reserved, not after them',
    bias: {
      only: true,
      rates: { 'socket-cut': 0.05 },
      stormMs: 300_000,
      acts: [
        { act: 'relay-lost', times: 1, betweenMs: [60_000, 280_000] },
        { act: 'relay-lost', times: 1, betweenMs: [60_000, 280_000] },
      ],
    },
    patches: [
      {
        file: JOURNAL,
        from: '  let joinCounter = memory.joinReserved();',
        to: '  let joinCounter = Math.max(0, memory.joinReserved() - JOIN_COUNTERS_RESERVED);',
      },
    ],
  },
  {
    name: 'torn-tail-is-kept',
    bug: 'records are written behind a torn one',
    patches: [
      {
        file: JOURNAL,
        from: "damage.kind === 'corrupt' ? await file.compact() : await file.mend();",
        to: "damage.kind === 'corrupt' ? await file.compact() : ok(null);",
      },
    ],
  },
  {
    name: 'standby-acts-on-what-it-saw',
    bug: 'a standby neither hears that its command is settled nor looks again when it gets the lease',
    bias: {
      workload: 'failover',
      relays: 2,
      only: true,
      rates: { 'frame-late': 0.2, 'socket-cut': 0.03, 'maas-slow': 0.4 },
      stormMs: 300_000,
      acts: [
        { act: 'partition', times: 1, betweenMs: [5_000, 90_000] },
        { act: 'partition', times: 1, betweenMs: [5_000, 200_000] },
        { act: 'relay-pauses', times: 1, betweenMs: [5_000, 90_000] },
      ],
    },
    patches: [
      { file: 'relay/commands/run-command.ts', from: '    if (!isHeld) return err(lookAgain);\n', to: '' },
      {
        file: 'functions/objects/report-inbox.ts',
        from: '      this.#tellOthers(socket, frame.commandId);\n',
        to: '',
      },
    ],
  },
  {
    name: 'nothing-stops-an-old-command',
    bug: 'no fence, no withdrawal, and a welcome that stops nothing',
    patches: [
      {
        file: 'relay/commands/refusals.ts',
        from: '  if (command.generation >= highest) return null;',
        to: '  if (command.generation >= highest || highest >= 0) return null;',
      },
      { file: 'relay/relay.ts', from: 'return dispatch.withdraw(frame.commandIds);', to: 'return;' },
      { file: 'relay/relay.ts', from: '      dispatch.keepOnly(welcome.outstanding);\n', to: '' },
    ],
  },
];
