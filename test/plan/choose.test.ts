import { describe, expect, test } from 'vitest';
import { chooseAddress } from '../../functions/plan/choose-address.ts';
import { chooseMachines, type MachineSupply, type SlotNeed } from '../../functions/plan/choose-machines.ts';
import { slotsOf } from '../../functions/plan/cluster-state.ts';
import { SystemId } from '../../shared/ids.ts';
import type { MachineFacts } from '../../shared/machine.ts';
import { aCluster, aMachine, anInventory, type ClusterBuilder, machines } from '../support/builders.ts';

const needs = (builder: ClusterBuilder): SlotNeed[] => [...slotsOf(builder.accepted().spec)];
const supply = (list: MachineFacts[], more: Partial<MachineSupply> = {}): MachineSupply => ({
  machines: list,
  architecture: 'amd64',
  quarantined: new Set(),
  zonesInUse: new Map(),
  seed: 'clu_1',
  ...more,
});

function chosen(builder: ClusterBuilder, list: MachineFacts[], more: Partial<MachineSupply> = {}) {
  const result = chooseMachines(needs(builder), supply(list, more));
  if (!result.ok) throw new Error(result.error.sentence);
  return result.value;
}

function shortage(builder: ClusterBuilder, list: MachineFacts[], more: Partial<MachineSupply> = {}) {
  const result = chooseMachines(needs(builder), supply(list, more));
  if (result.ok) throw new Error('not short');
  return result.error;
}

const zonesOf = (candidates: Iterable<SystemId[]>, list: MachineFacts[]): (string | undefined)[] =>
  [...candidates].map(([first]) => list.find(({ systemId }) => systemId === first)?.zone);

describe('which machines', () => {
  test('[MA1] at most 5 candidates a slot, and no machine for two slots', () => {
    const result = chosen(aCluster().withControlPlane(3).withWorkers(2), machines(30));
    const all = [...result.values()].flat();
    expect(new Set(all).size).toBe(all.length);
    expect([...result.values()].map((candidates) => candidates.length)).toEqual([5, 5, 5, 5, 5]);
  });

  test('[MA1] with few to spare every slot still has its own', () => {
    const result = chosen(aCluster().withControlPlane(3).withWorkers(2), machines(6));
    expect([...result.values()].map((candidates) => candidates.length).sort()).toEqual([1, 1, 1, 1, 2]);
  });

  test('[MA1] clusters that race begin with different machines of a kind', () => {
    const one = [...chosen(aCluster().withControlPlane(3), machines(12)).values()].map(([first]) => first);
    const two = [...chosen(aCluster().withControlPlane(3), machines(12), { seed: 'clu_2' }).values()].map(
      ([first]) => first,
    );
    expect(one).not.toEqual(two);
  });

  test('[MA1] the smallest that fits is taken, so that large machines stay for those who need them', () => {
    const list = [aMachine('m-big', { cpuCores: 64, memoryMiB: 524_288 }), aMachine('m-small')];
    expect([...chosen(aCluster().withControlPlane(1), list).values()][0]?.[0]).toBe('m-small');
  });

  test('[MA1] a pool with demands chooses before one that takes anything', () => {
    const list = [aMachine('m-gpu', { tags: ['gpu'], cpuCores: 2, memoryMiB: 2_048 }), aMachine('m-any')];
    const builder = aCluster()
      .withControlPlane(1)
      .withWorkers(1, { placement: { tags: ['gpu'] } });
    const result = chosen(builder, list);
    expect(Object.fromEntries([...result].map(([slot, [first]]) => [slot, first]))).toEqual({
      'cp-0': 'm-any',
      'workers-0': 'm-gpu',
    });
  });

  test('[MA1] zones: even takes turns, counting machines that are there already', () => {
    const list = machines(12);
    const result = chosen(aCluster().withControlPlane(3), list);
    expect(new Set(zonesOf(result.values(), list)).size).toBe(3);
    const one = chosen(aCluster().withControlPlane(1), list, { zonesInUse: new Map([['cp', ['az1', 'az2']]]) });
    expect(zonesOf(one.values(), list)).toEqual(['az3']);
  });

  test('[MA1] zones: pack fills one, strict refuses an uneven spread', () => {
    const list = [...machines(4, { zone: 'az1' }), aMachine('m-90', { zone: 'az2' })];
    const packed = chosen(aCluster().withControlPlane(3, { placement: { spread: 'pack' } }), list);
    expect(zonesOf(packed.values(), list)).toEqual(['az1', 'az1', 'az1']);
    const uneven = aCluster().withWorkers(4, { placement: { spread: 'strict' } });
    expect(shortage(uneven, list).sentence).toContain('in enough zones');
    expect(chosen(aCluster().withWorkers(4, { placement: { spread: 'even' } }), list).size).toBe(4);
  });

  test('[MA2] the funnel shows what excludes machines, in order, with the numbers left', () => {
    const list = [
      ...machines(5, { pool: 'other' }),
      ...['m-81', 'm-82', 'm-83', 'm-84'].map((id) => aMachine(id, { pool: 'edge', memoryMiB: 65_536 })),
      ...['m-71', 'm-72', 'm-73', 'm-74', 'm-75'].map((id) => aMachine(id, { pool: 'edge' })),
      aMachine('m-61', { status: 'deployed', owner: 'somebody', pool: 'edge' }),
    ];
    const builder = aCluster().withWorkers(2, {
      minimums: { memoryMiB: 65_536 },
      placement: { resourcePool: 'edge', tags: ['gpu'] },
    });
    const result = shortage(builder, list);
    expect(result.funnel).toEqual([
      { label: '14 Ready', left: 14 },
      { label: '9 in pool edge', left: 9 },
      { label: '4 ≥ 64 GiB', left: 4 },
      { label: '0 tag gpu', left: 0 },
    ]);
    expect(result.sentence).toBe('Pool workers needs 2 machines: 14 Ready → 9 in pool edge → 4 ≥ 64 GiB → 0 tag gpu.');
  });

  test('[MA2] the funnel tells of quarantine, named machines and other pools of the same cluster', () => {
    const quarantined = new Set([SystemId.parse('m-01')]);
    expect(shortage(aCluster().withControlPlane(3), machines(3), { quarantined }).sentence).toContain(
      '2 not in quarantine',
    );
    const named = aCluster().withControlPlane(1, { placement: { systemIds: [SystemId.parse('m-99')] } });
    expect(shortage(named, machines(3)).sentence).toContain('0 named');
    const both = aCluster().withControlPlane(3).withWorkers(2);
    expect(shortage(both, machines(4)).sentence).toContain('not taken by another pool');
  });

  test('[MA1] a locked machine and one of another architecture are not taken', () => {
    const list = [aMachine('m-01', { locked: true }), aMachine('m-02', { architecture: 'arm64/generic' })];
    expect(shortage(aCluster().withControlPlane(1), list).sentence).toContain('1 Ready → 0 amd64');
  });
});

describe('which address', () => {
  const nodes = anInventory(machines(2)).subnets;
  const bmc = {
    ...nodes[0],
    id: 0,
    name: 'bmc',
    cidr: '10.20.0.0/24',
    gatewayIp: null,
    managed: false,
    freeAddresses: ['10.20.0.9'],
    freeCount: 1,
  };
  const two = anInventory(machines(2), { subnets: nodes.concat(nodes.map((subnet) => ({ ...subnet, ...bmc }))) });

  test('[AD1] free addresses of the nodes’ subnet, at most 5, begun elsewhere by each cluster', () => {
    const one = chooseAddress(two, { mode: 'vip' }, 'clu_1');
    const other = chooseAddress(two, { mode: 'vip' }, 'clu_2');
    if (!one.ok || !other.ok) throw new Error('no address');
    expect(one.value.subnetCidr).toBe('10.10.0.0/24');
    expect(one.value.candidates).toHaveLength(5);
    expect(one.value.candidates[0]).not.toBe(other.value.candidates[0]);
  });

  test('[AD1] the subnet that machines have addresses in comes before others', () => {
    const busy = { ...two, machines: [aMachine('m-01', { status: 'deployed', owner: 'x', addresses: ['10.20.0.3'] })] };
    expect(chooseAddress(busy, { mode: 'vip' }, 's')).toMatchObject({ value: { subnetCidr: '10.20.0.0/24' } });
  });

  test('[AD1] what the user names is taken or refused, never replaced', () => {
    expect(chooseAddress(two, { mode: 'vip', subnet: 'bmc' }, 's')).toMatchObject({
      value: { candidates: ['10.20.0.9'] },
    });
    expect(chooseAddress(two, { mode: 'vip', ip: '10.10.0.77' }, 's')).toMatchObject({
      value: { candidates: ['10.10.0.77'], subnetCidr: '10.10.0.0/24' },
    });
    expect(chooseAddress(two, { mode: 'vip', ip: '192.0.2.1' }, 's')).toMatchObject({
      error: { code: 'subnet-unknown' },
    });
    expect(chooseAddress(two, { mode: 'vip', subnet: 'bmc', ip: '10.10.0.77' }, 's').ok).toBe(false);
  });

  test('[AD1] the gateway of the subnet is never taken, though MAAS would let it go', () => {
    const subnets = nodes.map((subnet) => ({ ...subnet, freeAddresses: ['10.10.0.1', '10.10.0.9', '10.99.0.1'] }));
    expect(chooseAddress(anInventory([], { subnets }), { mode: 'vip' }, 's')).toMatchObject({
      value: { candidates: ['10.10.0.9'] },
    });
  });

  test('[AD1] a full subnet is said to be full', () => {
    const full = anInventory(machines(2), {
      subnets: nodes.map((subnet) => ({ ...subnet, freeAddresses: [], freeCount: 0 })),
    });
    expect(chooseAddress(full, { mode: 'vip', subnet: 'nodes' }, 's')).toMatchObject({
      error: { code: 'no-free-address' },
    });
  });
});
