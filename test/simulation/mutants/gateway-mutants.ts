// Bugs of gateways on machines of their own.
import type { Mutant } from './mutant.ts';

const PAIRING = 'functions/objects/gateway-pairing.ts';
const OWN = 'functions/objects/own-machines.ts';

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
];
