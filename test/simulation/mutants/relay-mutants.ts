// Bugs of the relay's lease, dispatch and journal.
import type { Mutant } from './mutant.ts';

const DISPATCH = 'relay/commands/dispatch.ts';
const JOURNAL = 'relay/journal.ts';
const LEASE = 'relay/tunnel/lease.ts';

/** A restart tells what the journal kept. */
const RELAY_LOST_TWICE = {
  stormMs: 300_000,
  acts: [
    { act: 'relay-lost', times: 1, betweenMs: [60_000, 280_000] },
    { act: 'relay-lost', times: 1, betweenMs: [60_000, 280_000] },
  ],
} satisfies Mutant['bias'];

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
      sparesReads: true,
      rates: { 'socket-cut': 0.05, 'dial-fails': 0.8, 'maas-slow': 0.4 },
      stormMs: 300_000,
    },
    patches: [
      {
        file: LEASE,
        from: 'state.heldUntilMs = askedAtMs + heldMs;',
        to: 'state.heldUntilMs = nowMs + 10 * durationMs;',
      },
    ],
  },
  {
    name: 'no-guard',
    bug: 'a new leader does not wait for what the old one may have on the way',
    bias: {
      relays: 2,
      only: true,
      sparesReads: true,
      rates: { 'maas-reordered': 0.5, 'relay-lost-at-point': 0.04 },
      stormMs: 300_000,
    },
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
      sparesReads: true,
      end: { kind: 'delete', afterMs: [40_000, 90_000] },
      rates: { 'maas-reordered': 0.8 },
      stormMs: 240_000,
      acts: [{ act: 'relay-lost', times: 4, betweenMs: [45_000, 140_000] }],
    },
    hints: [71],
    patches: [{ file: 'relay/commands/run-command.ts', from: '    if (!isHeld) return err(lookAgain);\n', to: '' }],
  },
  {
    name: 'no-fence',
    bug: 'a lower generation is run like any other',
    argument:
      'The third line. An end withdraws what is older before it sends anything of the new generation (DE2, C5), over one socket in order, and a session begins by stopping what the gateway does not hold (T5): so no relay holds an old command when it hears of a higher generation. With those two taken off the fence alone keeps every rule (200 lives), and with all three off nothing-stops-an-old-command dies. The fence itself is held by the tests of [G2] in test/relay/dispatch.test.ts.',
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
    name: 'forgets-without-room',
    bug: 'an outcome is forgotten for the sake of room that the full disk does not give',
    argument:
      'An outcome must be old by a clock that jumped, its report be lost, the disk full, and its command come again and end otherwise. Life 121130979 found it, and plays another life since other things changed; 600 lives in which clocks jump and disks are full all the time do not. The [C4] tests of test/relay/journal.test.ts fail with it.',
    patches: [
      {
        file: JOURNAL,
        from: '    const replaced = await disk.replace(JOURNAL_FILE, bytes);',
        to: '    memory.forget(old);\n    const replaced = await disk.replace(JOURNAL_FILE, bytes);',
      },
      // With the bug of before, by which the age was told by a clock that jumps.
      {
        file: JOURNAL,
        from: '(({ knownSinceMs }) => knownSinceMs < knownBefore)',
        to: '(({ at }) => at < clock.now() - KEPT_ON_FULL_DISK_MS)',
      },
    ],
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
      sparesReads: true,
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
    bug: 'what is accepted does not say its generation, and a restart forgets it',
    patches: [
      {
        file: JOURNAL,
        from: '        if (command.clusterId !== null) generations.raise(command.clusterId, command.generation);',
        to: '',
      },
    ],
  },
  {
    name: 'generation-written-apart',
    bug: 'what is accepted and its generation are two writes, of which a full disk may refuse the one',
    bias: {
      only: true,
      rates: { 'disk-full': 0.2 },
      ...RELAY_LOST_TWICE,
    },
    patches: [
      {
        file: JOURNAL,
        from: '        if (command.clusterId !== null) generations.raise(command.clusterId, command.generation);',
        to: '',
      },
      {
        file: JOURNAL,
        from: '      if (command.clusterId !== null) memory.raise(command.clusterId, command.generation);',
        to: '      if (command.clusterId !== null) void this.raiseGeneration(command.clusterId, command.generation);',
      },
      { file: JOURNAL, from: '    accept: (command, bodyHash) => {', to: '    accept(command, bodyHash) {' },
    ],
  },
  {
    name: 'join-counter-used-again',
    bug: 'a restart begins at the counters that were reserved, not after them',
    bias: {
      only: true,
      rates: { 'socket-cut': 0.05 },
      ...RELAY_LOST_TWICE,
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
    bias: { only: true, stormMs: 300_000, acts: [{ act: 'disk-torn', times: 5, betweenMs: [10_000, 250_000] }] },
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
      workload: 'create-three',
      relays: 2,
      only: true,
      sparesReads: true,
      rates: { 'frame-late': 0.15, 'maas-slow': 0.5 },
      stormMs: 300_000,
      acts: [{ act: 'relay-pauses', times: 8, betweenMs: [5_000, 250_000] }],
    },
    hints: [36],
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
    bug: 'no fence, and neither a withdrawal nor a welcome stops taking a machine',
    bias: {
      workload: 'abort',
      relays: 1,
      only: true,
      sparesReads: true,
      end: { kind: 'abort', afterMs: [2_000, 60_000] },
      rates: { 'maas-slow': 0.5 },
      stormMs: 120_000,
    },
    patches: [
      {
        file: 'relay/commands/refusals.ts',
        from: '  if (command.generation >= highest) return null;',
        to: '  if (command.generation >= highest || highest >= 0) return null;',
      },
      {
        file: 'relay/relay.ts',
        from: 'return dispatch.withdraw(frame.commandIds);',
        to: 'return dispatch.withdraw(frame.commandIds.filter((id) => !/ensure-(allocated|deployed)/.test(id)));',
      },
      {
        file: 'relay/commands/dispatch.ts',
        from: "if (!held.has(commandId)) stop(commandId, 'not held by the gateway');",
        to: "if (!held.has(commandId) && !/ensure-(allocated|deployed)/.test(commandId)) stop(commandId, 'not held by the gateway');",
      },
    ],
  },
  {
    name: 'late-requests-are-forgotten',
    bug: 'a command ends as if what it sent without an answer could not be served any more (C12)',
    bias: {
      workload: 'abort',
      relays: 1,
      rival: false,
      spare: 3,
      only: true,
      sparesReads: true,
      end: { kind: 'abort', afterMs: [5_000, 160_000] },
      rates: { 'maas-reordered': 0.5 },
      lateRequestMs: [45_000, 240_000],
      stormMs: 300_000,
    },
    patches: [
      {
        file: 'relay/commands/run-command.ts',
        from: 'return late.mind(await untilDone(parts, run, context));',
        to: 'return await untilDone(parts, run, context);',
      },
    ],
  },
];
