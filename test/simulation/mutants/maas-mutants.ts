// Bugs of the relay's work at MAAS.
import type { Mutant } from './mutant.ts';

const ALLOCATE = 'relay/commands/allocate-machine.ts';
const CLAIMED = 'relay/commands/claimed-machine.ts';
const MACHINES = 'relay/commands/machines.ts';
const MAAS_ERROR = 'relay/maas/maas-error.ts';
const MAAS_MACHINES = 'relay/maas/machines.ts';

export const MAAS_MUTANTS: readonly Mutant[] = [
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
    bias: {
      relays: 1,
      spare: 3,
      only: true,
      sparesReads: true,
      rates: { 'maas-answer-lost': 0.4, 'relay-lost-at-point': 0.05 },
      stormMs: 300_000,
    },
    patches: [{ file: ALLOCATE, from: 'found.value.length > 0 ?', to: 'found.value.length > 1_000 ?' }],
  },
  {
    name: 'unknown-allocate-counts-as-refused',
    bug: 'after a lost answer the next candidate is taken',
    bias: {
      only: true,
      spare: 3,
      sparesReads: true,
      rates: { 'maas-answer-lost': 0.3, 'maas-500-done': 0.3 },
      stormMs: 300_000,
    },
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
    bias: {
      only: true,
      end: { kind: 'delete', afterMs: [100_000, 200_000] },
      stormMs: 400_000,
      acts: [{ act: 'bmc-refuses', times: 4, betweenMs: [100_000, 240_000] }],
    },
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
      sparesReads: true,
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
      end: { kind: 'delete', afterMs: [100_000, 200_000] },
      strikesAfterMs: 70_000,
      rates: { 'maas-500': 0.4 },
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
      sparesReads: true,
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
        from: '    const marked = await annotate(context, maas, seen, order.claim);\n    if (!marked.ok) return marked;\n    const may',
        to: '    const may',
      },
    ],
  },
  {
    name: 'server-error-means-not-done',
    bug: 'a 500 to a change counts as nothing happened',
    bias: {
      only: true,
      spare: 3,
      sparesReads: true,
      rates: { 'maas-answer-lost': 0.3, 'maas-500-done': 0.3 },
      stormMs: 300_000,
    },
    patches: [
      { file: MAAS_ERROR, from: "  if (call.effect === 'change') return unknownOutcome(call, detail);\n", to: '' },
    ],
  },
  {
    name: 'cut-answer-means-not-done',
    bug: 'a connection cut after sending counts as never sent',
    bias: {
      only: true,
      spare: 3,
      sparesReads: true,
      rates: { 'maas-answer-lost': 0.3, 'maas-500-done': 0.3 },
      stormMs: 300_000,
    },
    patches: [
      {
        file: MAAS_ERROR,
        from: "    case 'MAYBE_SENT':\n      return call.effect === 'change' ? unknownOutcome(call, detail) : { code: 'MAAS_UNREACHABLE', detail };",
        to: "    case 'MAYBE_SENT':\n      return { code: 'MAAS_UNREACHABLE', detail };",
      },
    ],
  },
  {
    name: 'marks-by-an-old-look',
    bug: 'a machine is marked once more on what was seen before a call without an answer',
    bias: {
      workload: 'create-one',
      only: true,
      rival: true,
      spare: 0,
      sparesReads: true,
      rates: { 'maas-request-lost': 0.4, 'maas-500': 0.3 },
      acts: [{ act: 'human-releases', times: 8, betweenMs: [0, 120_000] }],
    },
    patches: [
      {
        file: CLAIMED,
        from: '    seen = null;\n',
        to: '',
      },
    ],
  },
  {
    name: 'late-deploy-stays-unmarked',
    bug: 'what a deploy took anew that was served after a person had given it back is not marked',
    hints: [57_295],
    patches: [
      {
        file: MACHINES,
        from: '  const marked = await annotate(context, maas, deployed, claim);',
        to: '  const marked = ok(deployed);',
      },
    ],
  },
  {
    name: 'etcd-asked-once',
    bug: 'a machine that was no member when etcd was asked is given back though it has joined since (CP5)',
    argument:
      'A machine must join between the moment etcd is asked for it and the one in which MAAS takes it back. Life 20877 found it, and plays another life since other things changed; in 75 lives in which machines and MAAS answer one call in five, 275 orders to give one back met none that joined in between. Three tests of test/relay-kubernetes/member-and-machine.test.ts fail with it.',
    patches: [
      {
        file: 'relay/commands/machines.ts',
        from: 'seat === undefined ? ok(null) : isNoMember(ports.dial, context, seat)',
        to: 'seat === undefined ? ok(null) : ok(null)',
      },
    ],
  },
  {
    name: 'slow-answer-counts',
    bug: 'a machine is marked by what MAAS answered half a minute ago, though it changed hands since',
    bias: {
      workload: 'create-one',
      rival: true,
      spare: 0,
      only: true,
      sparesReads: true,
      rates: { 'maas-never-sent': 0.4, 'maas-slow': 0.3 },
      acts: [{ act: 'human-releases', times: 8, betweenMs: [0, 120_000] }],
    },
    patches: [
      {
        file: 'relay/commands/claimed-machine.ts',
        from: 'clock.monotonicMs() - askedMs <= MOMENT_MS',
        to: 'clock.monotonicMs() >= askedMs',
      },
    ],
  },
];
