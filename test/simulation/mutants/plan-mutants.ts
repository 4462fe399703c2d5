// Bugs of the planner.
import type { Mutant } from './mutant.ts';

const LEAVING = 'functions/plan/plan-leaving.ts';
const OUTCOME = 'functions/plan/apply-outcome.ts';
const SAFETY = 'functions/plan/control-plane-safety.ts';
const TEARDOWN = 'functions/plan/plan-teardown.ts';

export const PLAN_MUTANTS: readonly Mutant[] = [
  {
    name: 'late-report-undoes-what-was-seen',
    bug: 'a report of a release that a full disk held up takes the place of the failure that was seen since',
    hints: [8615],
    patches: [{ file: OUTCOME, from: '  return maas.at > sentAt ? maas : null;', to: '  return null;' }],
  },
  {
    name: 'end-keeps-the-generation',
    bug: 'deletion raises no generation, so late commands of before may still act',
    patches: [
      {
        file: 'functions/plan/apply-event.ts',
        from: 'generation: state.generation + 1, intent',
        to: 'generation: state.generation, intent',
      },
    ],
  },
  {
    name: 'gone-when-asked',
    bug: 'a machine counts as gone as soon as MAAS was asked to take it',
    bias: {
      only: true,
      end: { kind: 'delete', afterMs: [100_000, 200_000] },
      stormMs: 400_000,
      acts: [{ act: 'bmc-refuses', times: 4, betweenMs: [100_000, 240_000] }],
    },
    patches: [
      {
        file: LEAVING,
        from: "if (leaving.askedAt === null || standing(machine) !== 'free') return;",
        to: 'if (leaving.askedAt === null) return;',
      },
    ],
  },
  {
    name: 'doubt-is-short',
    bug: 'a claim with an unknown outcome is not looked up any longer',
    bias: {
      workload: 'abort',
      only: true,
      sparesReads: true,
      end: { kind: 'abort', afterMs: [2_000, 50_000] },
      rates: { 'maas-reordered': 0.7 },
      stormMs: 120_000,
      acts: [{ act: 'relay-lost', times: 4, betweenMs: [5_000, 70_000] }],
    },
    patches: [
      { file: LEAVING, from: '    if (leaving.askedAt < doubtUntil(machine.doubt, draft.waits)) return;\n', to: '' },
      { file: LEAVING, from: 'return leaving.askedAt >= until ? null', to: 'return leaving.askedAt >= 0 ? null' },
    ],
  },
  {
    name: 'unknown-is-failed',
    bug: 'an allocate without an outcome leaves no doubt',
    bias: {
      workload: 'abort',
      relays: 1,
      rival: false,
      only: true,
      sparesReads: true,
      end: { kind: 'abort', afterMs: [92_000, 104_000] },
      rates: { 'maas-request-lost': 0.6, 'maas-reordered': 1 },
      lateRequestMs: [31_000, 48_000],
      stormMs: 600_000,
    },
    hints: [55],
    patches: [
      {
        file: OUTCOME,
        from: "  if ((name.verb === 'ensure-allocated' || name.verb === 'ensure-deployed') && unknown) {",
        to: "  if ((name.verb === 'ensure-allocated' || name.verb === 'ensure-deployed') && unknown && at === 0) {",
      },
    ],
  },
  {
    name: 'withdrawn-leaves-no-doubt',
    bug: 'a withdrawn allocate counts as never begun',
    bias: {
      workload: 'abort',
      only: true,
      sparesReads: true,
      end: { kind: 'abort', afterMs: [2_000, 50_000] },
      rates: { 'maas-reordered': 0.7 },
      stormMs: 120_000,
      acts: [{ act: 'relay-lost', times: 4, betweenMs: [5_000, 70_000] }],
    },
    patches: [
      {
        file: 'functions/plan/draft.ts',
        from: "if (name?.verb === 'ensure-allocated' && machine !== undefined && machine.doubt === null) {",
        to: "if (name?.verb === 'ensure-allocated' && machine !== undefined && machine.doubt !== null) {",
      },
    ],
  },
  {
    name: 'attempts-are-reused',
    bug: 'a replacement stands under the claim of the machine it replaces',
    patches: [
      {
        file: 'functions/plan/plan-choice.ts',
        from: '  const attempt = memory.lastAttempt + 1;',
        to: '  const attempt = Math.max(1, memory.lastAttempt);',
      },
    ],
  },
  {
    name: 'ready-when-deployed',
    bug: "MAAS's Deployed counts as Ready",
    patches: [
      {
        file: 'functions/plan/apply-fact.ts',
        from: '  return { ...machine, maas: { ...now, since: same ? known.since : at, at } };',
        to: "  return { ...machine, readyAt: now.status === 'deployed' ? at : machine.readyAt, maas: { ...now, since: same ? known.since : at, at } };",
      },
    ],
  },
  {
    name: 'control-planes-join-at-once',
    bug: 'the next control plane does not wait for the one before',
    patches: [
      { file: SAFETY, from: '  if (behind !== undefined) return wait(`${nameOf(behind)} to be Ready`);\n', to: '' },
      {
        file: SAFETY,
        from: '  if (state.etcd !== null) return etcdSettled(state.etcd.members, begun.length);',
        to: '  if (begun.length > 0) return ok(null);\n  if (state.etcd !== null) return etcdSettled(state.etcd.members, begun.length);',
      },
    ],
  },
  {
    name: 'quorum-does-not-matter',
    bug: 'a member is given back whatever that leaves',
    bias: {
      workload: 'create-three',
      only: true,
      stormMs: 700_000,
      acts: [
        { act: 'machine-dies', times: 1, betweenMs: [220_000, 320_000] },
        { act: 'human-breaks', times: 6, betweenMs: [380_000, 680_000] },
      ],
    },
    hints: [64],
    patches: [
      {
        file: SAFETY,
        from: '  if (nowEnough && thenEnough) return ok(null);',
        to: '  if (nowEnough || !thenEnough) return ok(null);',
      },
    ],
  },
  {
    name: 'deleted-with-the-address-held',
    bug: 'the virtual address is not given back',
    patches: [
      {
        file: TEARDOWN,
        from: '  if (address !== null && asked) {',
        to: '  if (address !== null && asked && address.fqdn === undefined) {',
      },
    ],
  },
  {
    name: 'deleted-with-machines-held',
    bug: 'deletion does not wait for the machines',
    patches: [
      {
        file: TEARDOWN,
        from: 'draft.state.machines.every((machine) => machine.leaving?.goneAt != null)',
        to: 'draft.state.machines.every((machine) => machine.leaving != null)',
      },
    ],
  },
  {
    name: 'lost-race-forgets-the-doubt',
    bug: 'a claim that lost its race is forgotten though an earlier answer was lost',
    bias: {
      workload: 'create-one',
      relays: 1,
      rival: false,
      spare: 0,
      only: true,
      sparesReads: true,
      end: { kind: 'delete', afterMs: [900_000, 950_000] },
      rates: { 'maas-request-lost': 0.5, 'maas-reordered': 0.8 },
      lateRequestMs: [31_000, 48_000],
      stormMs: 300_000,
      acts: [{ act: 'human-takes', times: 8, betweenMs: [60_000, 130_000] }],
    },
    hints: [301],
    patches: [
      {
        file: 'functions/plan/plan-claims.ts',
        from: '    if (machine.doubt === null) forget(draft, machine);',
        to: '    if (machine.doubt === null || machine.held === null) forget(draft, machine);',
      },
    ],
  },
  {
    name: 'no-moment-to-wake-at',
    bug: 'a plan that waits names no moment to plan again',
    patches: [
      {
        file: 'functions/plan/wake-at.ts',
        from: '  if (moments.length > 0) return Math.min(...moments);',
        to: '  if (moments.length > 3) return Math.min(...moments);',
      },
      {
        file: 'functions/plan/wake-at.ts',
        from: 'return isAtRest(state) ? null :',
        to: 'return isAtRest(state) || moments.length > 0 ? null :',
      },
    ],
  },
  {
    name: 'teardown-leaves-commands-standing',
    bug: 'what was asked for before the end is not withdrawn',
    patches: [
      { file: TEARDOWN, from: '  withdraw(draft, older);', to: '  withdraw(draft, older.slice(older.length));' },
    ],
  },
  {
    name: 'revived-by-late-allocate',
    bug: 'a machine that comes late to a slot that is given up fills it again',
    bias: {
      workload: 'abort',
      only: true,
      end: { kind: 'abort', afterMs: [1_000, 60_000] },
      sparesReads: true,
      rates: { 'maas-slow': 0.5 },
      stormMs: 120_000,
    },
    patches: [
      {
        file: OUTCOME,
        from: '  const leaving = record.leaving === null ? null : { ...record.leaving, askedAt: null, goneAt: null };',
        to: '  const leaving = null;',
      },
    ],
  },
  {
    name: 'strays-stay',
    bug: 'a machine that joins after it was given up stays in etcd, where no member can be added any more (CP13)',
    argument:
      'Since CP14 a machine that may join yet is kept, so only one whose document came by a relay that nobody hears of joins as a stray. None did in 400 lives in which people mark joining machines broken. Two tests of test/plan/strays.test.ts fail with it.',
    patches: [
      {
        file: 'functions/plan/plan-cluster.ts',
        from: '  removeStrays(draft);\n',
        to: '',
      },
    ],
  },
  {
    name: 'goes-while-it-joins',
    bug: 'a machine that was given up is given back while it may still join, and joins before it goes off (CP14)',
    bias: {
      workload: 'gateway-resize',
      only: true,
      sparesReads: true,
      stormMs: 1_800_000,
      rates: { 'machine-request-lost': 0.85 },
    },
    patches: [{ file: LEAVING, from: 'if (draft.now < joinsUntil(machine, draft.waits)) return;\n', to: '' }],
  },
];
