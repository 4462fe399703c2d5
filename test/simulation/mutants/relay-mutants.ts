// Bugs of the relay.
import type { Mutant } from './mutant.ts';

const ALLOCATE = 'relay/commands/allocate-machine.ts';
const CLAIMED = 'relay/commands/claimed-machine.ts';
const MACHINES = 'relay/commands/machines.ts';
const DISPATCH = 'relay/commands/dispatch.ts';
const JOURNAL = 'relay/journal.ts';
const LEASE = 'relay/tunnel/lease.ts';
const MAAS_ERROR = 'relay/maas/maas-error.ts';
const MAAS_MACHINES = 'relay/maas/machines.ts';

export const RELAY_MUTANTS: readonly Mutant[] = [
  {
    name: 'allocate-then-record',
    bug: "CAPMAAS's order of work: the machine is taken without a label, and written down afterwards",
    patches: [
      {
        file: MAAS_MACHINES,
        from: "      ['system_id', systemId],\n      ['agent_name', claim],\n",
        to: "      ['system_id', systemId],\n",
      },
    ],
  },
  {
    name: 'force-release-by-error-text',
    bug: 'CAPMAAS again: whatever machine an error names is released',
    bias: { relays: 1, rival: true, spare: 1, only: true, rates: { 'maas-slow': 0.6 }, stormMs: 300_000 },
    patches: [
      {
        file: ALLOCATE,
        from: 'import { allocateById, listMachines }',
        to: 'import { allocateById, listMachines, release }',
      },
      {
        file: ALLOCATE,
        from: '    if (isRefusal && !unsure)\n',
        to: '    if (isRefusal) await release(maas, { systemId });\n    if (isRefusal && !unsure)\n',
      },
    ],
  },
  {
    name: 'no-look-before-allocate',
    bug: 'a repeat allocates without looking for what the first try took',
    bias: { only: true, spare: 3, rates: { 'maas-answer-lost': 0.3, 'maas-500-done': 0.3 }, stormMs: 300_000 },
    patches: [{ file: ALLOCATE, from: 'found.value.length > 0 ?', to: 'found.value.length > 1_000 ?' }],
  },
  {
    name: 'unknown-allocate-counts-as-refused',
    bug: 'after a lost answer the next candidate is taken',
    bias: { only: true, spare: 3, rates: { 'maas-answer-lost': 0.3, 'maas-500-done': 0.3 }, stormMs: 300_000 },
    patches: [
      {
        file: ALLOCATE,
        from: "    const isRefusal = last.code === 'MAAS_CONFLICT';",
        to: "    if (last.code === 'MAAS_UNKNOWN_OUTCOME') return ok({ kind: 'refused', why: '' });\n    const isRefusal = last.code === 'MAAS_CONFLICT';",
      },
    ],
  },
  {
    name: 'no-annotation',
    bug: 'only agent_name marks a machine, and MAAS forgets it when a release starts',
    patches: [
      {
        file: CLAIMED,
        from: '  if (machine.claim === claim) return ok(machine);\n  const { scope }',
        to: '  if (machine.claim !== undefined) return ok(machine);\n  const { scope }',
      },
    ],
  },
  {
    name: 'look-ignores-the-claim',
    bug: 'a machine is taken for ours because its id is known',
    bias: {
      relays: 1,
      rival: true,
      spare: 0,
      only: true,
      rates: { 'maas-slow': 0.5 },
      stormMs: 300_000,
      acts: [{ act: 'human-releases', times: 8, betweenMs: [20_000, 300_000] }],
    },
    patches: [
      {
        file: CLAIMED,
        from: 'if (isOurs(machine, claim, user.value.username)) return ok(machine);',
        to: 'if (machine.owner === user.value.username) return ok(machine);',
      },
    ],
  },
  {
    name: 'any-failure-to-look-means-gone',
    bug: 'a machine that can not be read counts as released',
    bias: {
      only: true,
      end: { kind: 'delete', afterMs: [60_000, 200_000] },
      rates: { 'maas-500': 0.3, 'maas-never-sent': 0.3, 'maas-request-lost': 0.1 },
      stormMs: 400_000,
    },
    patches: [
      {
        file: CLAIMED,
        from: "return code === 'MAAS_NOT_FOUND' || code === 'MAAS_FORBIDDEN' ? ok(null) : read;",
        to: "return code === 'MAAS_NOT_FOUND' || code !== undefined ? ok(null) : read;",
      },
    ],
  },
  {
    name: 'unknown-release-counts-as-done',
    bug: 'a release without an answer is told as Ready',
    bias: {
      only: true,
      end: { kind: 'delete', afterMs: [60_000, 200_000] },
      rates: { 'maas-500': 0.3, 'maas-never-sent': 0.3, 'maas-request-lost': 0.1 },
      stormMs: 400_000,
    },
    patches: [
      {
        file: CLAIMED,
        from: '    if (!mayPass(asked.error)) return asked;',
        to: "    if (mayPass(asked.error)) return ok({ systemId, status: 'ready' });\n    if (!mayPass(asked.error)) return asked;",
      },
    ],
  },
  {
    name: 'release-takes-all-of-ours',
    bug: 'the filter for the claim is forgotten',
    patches: [
      {
        file: MACHINES,
        from: 'const labelled = await listMachines(maas, { owner, agentName: claim });',
        to: 'const labelled = await listMachines(maas, { owner });',
      },
      {
        file: CLAIMED,
        from: '    const marked = await annotate(context, maas, seen, order.claim);\n    if (!marked.ok) return marked;\n    const asked',
        to: '    const asked',
      },
    ],
  },
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
    name: 'server-error-means-not-done',
    bug: 'a 500 to a change counts as nothing happened',
    bias: { only: true, spare: 3, rates: { 'maas-answer-lost': 0.3, 'maas-500-done': 0.3 }, stormMs: 300_000 },
    patches: [
      { file: MAAS_ERROR, from: "  if (call.effect === 'change') return unknownOutcome(call, detail);\n", to: '' },
    ],
  },
  {
    name: 'cut-answer-means-not-done',
    bug: 'a connection cut after sending counts as never sent',
    bias: { only: true, spare: 3, rates: { 'maas-answer-lost': 0.3, 'maas-500-done': 0.3 }, stormMs: 300_000 },
    patches: [
      {
        file: MAAS_ERROR,
        from: "    case 'MAYBE_SENT':\n      return call.effect === 'change' ? unknownOutcome(call, detail) : { code: 'MAAS_UNREACHABLE', detail };",
        to: "    case 'MAYBE_SENT':\n      return { code: 'MAAS_UNREACHABLE', detail };",
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
