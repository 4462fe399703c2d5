// Bugs of gateways on machines of their own.
import type { Bias } from '../bias.ts';
import type { Mutant } from './mutant.ts';

const PAIRING = 'functions/objects/gateway-pairing.ts';
const OWN = 'functions/objects/own-machines.ts';

/** While machines are changed one by one. */
const PEOPLE_TAKE_MEMBERS: Bias = {
  workload: 'gateway-upgrade',
  only: true,
  gatewaySize: 3,
  changesMachines: true,
  stormMs: 900_000,
  acts: [{ act: 'human-releases', times: 6, betweenMs: [200_000, 880_000] }],
};

export const GATEWAY_MUTANTS: readonly Mutant[] = [
  {
    name: 'code-used-twice',
    bug: 'a pairing code lets in whoever comes next, too (I18)',
    bias: { workload: 'gateway-install' },
    patches: [
      { file: PAIRING, from: "  if (code.usedBy !== null) return err(apiFailure('PAIRING_CODE_USED'));\n", to: '' },
    ],
  },
  {
    name: 'relay-outlives-its-machine',
    bug: 'the relay of a machine that is given back stays a node (I3)',
    bias: { workload: 'gateway-failover' },
    patches: [
      {
        file: 'functions/objects/gateway-nodes.ts',
        from: '    for (const { nodeId } of storage.nodesOfClaim(claim)) {\n',
        to: '    for (const { nodeId } of storage.nodesOfClaim(claim).slice(1)) {\n',
      },
    ],
  },
  {
    name: 'cluster-asked-for-anew',
    bug: 'an installation is repeated with another cluster each time (I1)',
    bias: { workload: 'gateway-install' },
    patches: [
      {
        file: 'functions/objects/installation.ts',
        from: '    this.#ports.storage.own.begin(id, machines, run, machinesReleaseOf(BUILTIN_PROFILE));\n',
        to: '',
      },
    ],
  },
  {
    name: 'gateway-grows-at-once',
    bug: 'a gateway that runs takes both new machines at the same time (GW6)',
    bias: { workload: 'gateway-resize' },
    patches: [
      {
        file: 'functions/plan/gateway-growth.ts',
        from: '.ok ? empty.slice(0, 1) : [];',
        to: '.ok ? empty : [];',
      },
    ],
  },
  {
    name: 'installer-never-let-go',
    bug: 'a node that may leave is kept (I4)',
    bias: { workload: 'gateway-install' },
    patches: [
      {
        file: OWN,
        from: "stays ? (revoke(state.nodeId)?.code ?? null) : 'NOBODY_STAYS'",
        to: "stays ? 'NOBODY_STAYS' : (revoke(state.nodeId)?.code ?? null)",
      },
    ],
  },
  {
    name: 'late-notice',
    bug: 'what a late notice says of the relays is believed after a newer one (GW4)',
    bias: { workload: 'gateway-upgrade', only: true, rates: { 'rpc-late': 0.3, 'socket-cut': 0.01 } },
    hints: [236],
    patches: [{ file: 'functions/plan/apply-relays.ts', from: 'notice <= before.relaysNotice', to: 'notice < 0' }],
  },
  {
    name: 'late-letter',
    bug: 'what a watch saw is believed from a letter that a newer one overtook (L9)',
    argument:
      'The letter must come more than 15 s late, a newer one before it, and nothing of what it tells change after that. One life of gateways in some hundreds did it, until other things changed; 1,400 lives with up to six calls of ten late did not. The [L9] test of test/plan/facts.test.ts fails with it.',
    patches: [
      { file: 'functions/plan/apply-event.ts', from: 'if (letter < state.letter && ', to: 'if (letter < 0 && ' },
    ],
  },
  {
    name: 'release-by-anybody',
    bug: 'a relay takes a release whoever signed it (U1)',
    bias: { workload: 'gateway-upgrade' },
    patches: [
      {
        file: 'relay/commands/relay-program.ts',
        from: 'if (!(await verify(releaseKey, release.manifest, release.signature)))',
        to: "if (release.signature === '')",
      },
    ],
  },
  {
    name: 'program-of-other-bytes',
    bug: 'a program is taken whose digest is not that of the release (U1)',
    bias: { workload: 'gateway-upgrade' },
    patches: [
      { file: 'relay/program/take-verified.ts', from: 'return found === sha256 ?', to: 'return sha256.length > 0 ?' },
    ],
  },
  {
    name: 'silence-is-a-heartbeat',
    bug: 'a new program is accepted that was not heard of (U4)',
    bias: { workload: 'gateway-upgrade' },
    patches: [
      {
        file: 'relay/program/watch-successor.ts',
        from: "cancel = timers.after(heartbeatMs, () => end({ kind: 'failed', detail }));",
        to: "cancel = timers.after(heartbeatMs, () => end(detail === '' ? { kind: 'asked' } : { kind: 'accepted' }));",
      },
    ],
  },
  {
    name: 'failed-program-left',
    bug: 'a new program that failed is not ended, and the former waits for its end (U4)',
    bias: { workload: 'gateway-upgrade' },
    patches: [{ file: 'relay/program/give-over.ts', from: "  successor.signal('SIGKILL');\n  await", to: '  await' }],
  },
  {
    name: 'hello-ends-a-turn',
    bug: 'a relay counts as exchanged while its former program watches the new one (UP3)',
    bias: { workload: 'gateway-upgrade' },
    patches: [
      {
        file: 'functions/plan/upgrade-step.ts',
        from: 'return version !== to || turn.sentAt === null || now >= turn.sentAt + UPGRADE_NODE_DEADLINE_MS;',
        to: 'return now >= 0;',
      },
    ],
  },
  {
    name: 'line-without-end',
    bug: 'a cluster that waited for the upgrade stands in line when it has ended (U6)',
    bias: { workload: 'gateway-upgrade' },
    patches: [{ file: 'functions/objects/cluster-line.ts', from: "        sql.run('DELETE FROM queued');\n", to: '' }],
  },
  {
    name: 'late-code-stands',
    bug: 'a code is taken for the relay of a machine that was given back (I3)',
    argument:
      'a relay must lose its tunnel with the code on its way, and the machine be given back by another one meanwhile: it shows in one of some thousand lives of upgrades, and no rates were found that make it likelier. A test of the object fails with it ([I3] in own-machines.test.ts).',
    patches: [{ file: 'functions/objects/node-codes.ts', from: "        if (isGone) return 'gone';\n", to: '' }],
  },
  {
    name: 'fallen-back-unseen',
    bug: 'a relay that runs its former program again while machines are changed does not stop the upgrade (UP5)',
    bias: { workload: 'gateway-upgrade', only: true, rates: { 'relay-lost-at-point': 0.05 } },
    patches: [
      {
        file: 'functions/plan/upgrade-step.ts',
        from: '  const { machines, hasMachines } = facts;\n  const fallen = fallenOf(state, facts);',
        to: '  const { machines, hasMachines } = facts;\n  const fallen = facts.nodes.length > 99 ? fallenOf(state, facts) : null;',
      },
    ],
  },
  {
    name: 'starts-never-forgotten',
    bug: 'a program that got on long ago is given up at its third start (U4)',
    bias: { workload: 'gateway-upgrade', only: true, rates: { 'relay-lost-at-point': 0.01 } },
    patches: [
      {
        file: 'relay/serve-once.ts',
        from: 'if (own !== undefined && own.starts > 0) void book.count(version, 0);',
        to: 'void own;',
      },
    ],
  },
  {
    name: 'pairing-tells-the-version',
    bug: 'the program that pairs a folder anew is taken for the one that serves from it (UP5)',
    bias: {
      workload: 'gateway-upgrade',
      only: true,
      acts: [{ act: 'relay-journal-flipped', times: 3, betweenMs: [120_000, 500_000] }],
    },
    patches: [
      {
        file: 'functions/objects/gateway-pairing.ts',
        from: 'known?.relayVersion ?? request.relayVersion',
        to: 'request.relayVersion',
      },
    ],
  },
  {
    name: 'rollout-trusts-who-answers',
    bug: 'a member that serves leaves etcd though MAAS is taking back one of those that have to stay (RO5)',
    bias: PEOPLE_TAKE_MEMBERS,
    patches: [
      {
        file: 'relay/commands/members.ts',
        from: 'staying === undefined ? ok(null) : await areOurs(context, staying)',
        to: 'staying === undefined ? ok(null) : ok(null)',
      },
    ],
  },
  {
    name: 'failed-member-waits-for-one-that-serves',
    bug: 'one that failed stays in etcd until one that serves is out, and that one can not go without it (CP7)',
    bias: PEOPLE_TAKE_MEMBERS,
    patches: [
      {
        file: 'functions/plan/control-plane-safety.ts',
        from: 'leavingMembers(state).find((other) => !servesOn(other))',
        to: 'leavingMembers(state)[0]',
      },
    ],
  },
  {
    name: 'document-names-the-program',
    bug: 'a machine whose relay was upgraded since it served the document never takes its program (GW1)',
    bias: {
      ...{ workload: 'gateway-upgrade', only: true, gatewaySize: 3, stormMs: 900_000 },
      rates: { 'machine-request-lost': 0.5 },
      acts: [{ act: 'human-breaks', times: 16, betweenMs: [60_000, 800_000] }],
    },
    patches: [
      { file: 'functions/plan/relay-step.ts', from: 's/^${PROGRAM_DIGEST_HEADER}: ', to: 's/^nobody-sends-this: ' },
    ],
  },
  {
    name: 'overdue-upgrade-sleeps-on',
    bug: 'what a gateway is told by the sweep does not wake it: with its alarm lost its upgrade never begins',
    bias: { workload: 'gateway-upgrade', only: true, rates: { 'alarm-exhausted': 0.3 } },
    patches: [
      {
        file: 'functions/objects/gateway-logic.ts',
        from: '    this.#upgrade.told(published);\n    this.#arm();\n',
        to: '    this.#upgrade.told(published);\n',
      },
    ],
  },
];
