// The dry run: what the planner would choose, told and not done.
import { describe, expect, test } from 'vitest';
import { previewCluster } from '../../functions/plan/preview-cluster.ts';
import { ClusterPlan } from '../../shared/cluster-plan.ts';
import { NodePool } from '../../shared/cluster-spec.ts';
import { SystemId } from '../../shared/ids.ts';
import type { MachineFacts } from '../../shared/machine.ts';
import { aCluster, anInventory, type ClusterBuilder, machines } from '../support/builders.ts';
import { World } from './world.ts';

const ask = (builder: ClusterBuilder, list: readonly MachineFacts[]) => {
  const { clusterId, spec, profile } = builder.accepted();
  return { clusterId, spec, profile, inventory: anInventory(list) };
};
const shown = (builder: ClusterBuilder, list: readonly MachineFacts[]) => {
  const planned = previewCluster(null, ask(builder, list), 1);
  if (!planned.ok) throw new Error(planned.error.detail);
  return ClusterPlan.parse(planned.value);
};
const pool = (name: string, size: number) => NodePool.parse({ name, role: 'worker', size });

/** A running cluster, and a question about it with these worker pools. */
function running(list: MachineFacts[]) {
  const builder = aCluster().withControlPlane(1).withWorkers(2);
  const world = new World(list).create(builder.accepted()).runToPhase('running');
  const preview = (workers?: NodePool[]) => {
    const { clusterId, spec, profile } = builder.accepted();
    const pools = workers === undefined ? spec.pools : [...spec.pools.slice(0, 1), ...workers];
    const inventory = world.maas.inventory();
    return previewCluster(world.state, { clusterId, spec: { ...spec, pools }, profile, inventory }, world.now);
  };
  return { world, preview };
}

describe('a preview', () => {
  test('[PV1] names the machines and the address that the planner takes from the same inventory', () => {
    const builder = aCluster().withControlPlane(3).withWorkers(2);
    const plan = shown(builder, machines(12));
    const world = new World(machines(12)).create(builder.accepted());
    world.run(() => world.view.machines.every(({ systemId }) => systemId !== null));
    const taken = world.view.machines.map(({ slot, systemId }) => [slot, systemId]);
    expect(plan.slots.map(({ slot, machine }) => [slot, machine?.systemId])).toEqual(taken);
    const candidates = world.state?.machines.map((machine) => machine.candidates);
    expect(plan.slots.map(({ machine, alternatives }) => [machine?.systemId, ...alternatives])).toEqual(candidates);
    expect(plan.address.candidates).toContain(world.state?.address?.ip);
    expect(plan.slots.every(({ held }) => !held)).toBe(true);
  });

  test('[PV1] says of each pool how many machines each requirement leaves', () => {
    const list = [
      ...machines(2),
      ...machines(3, { tags: ['gpu'] }).map((one, at) => ({ ...one, systemId: SystemId.parse(`gpu-${at}`) })),
    ];
    const plan = shown(
      aCluster()
        .withControlPlane(1)
        .withWorkers(2, { placement: { tags: ['gpu'] } }),
      list,
    );
    expect(plan.pools).toMatchObject([
      { pool: 'cp', needed: 1, steps: [{ label: '5 Ready', left: 5 }] },
      { pool: 'workers', needed: 2, sentence: 'Pool workers needs 2 machines: 5 Ready → 3 tag gpu.' },
    ]);
  });

  test('[PV2] too few: the funnel of every pool, and in the short one what the others take', () => {
    const short = previewCluster(null, ask(aCluster().withControlPlane(1).withWorkers(2), machines(2)), 1);
    expect(short).toMatchObject({ ok: false, error: { code: 'NO_MATCHING_MACHINE' } });
    const more = short.ok ? undefined : short.error.more;
    expect(more).toMatchObject({
      funnel: expect.arrayContaining([
        expect.objectContaining({ pool: 'cp' }),
        expect.objectContaining({ pool: 'workers' }),
      ]),
    });
    expect(JSON.stringify(more)).toContain('not taken by another pool');
  });

  test('[PV1] without an address for the Kubernetes API it says so', () => {
    const asked = ask(aCluster().withControlPlane(1).withWorkers(1), machines(4));
    const none = { ...asked, inventory: { ...asked.inventory, subnets: [] } };
    expect(previewCluster(null, none, 1)).toMatchObject({ ok: false, error: { code: 'IP_SHORTAGE' } });
  });

  test('[PV2] what a cluster has it keeps, and only what is new is chosen, never from its own machines', () => {
    const { world, preview } = running(machines(6));
    const before = JSON.stringify(world.state);
    const same = preview();
    expect(same.ok && same.value.slots.map(({ held }) => held)).toEqual([true, true, true]);
    const larger = preview([pool('workers', 3)]);
    if (!larger.ok) throw new Error(larger.error.detail);
    expect(larger.value.slots.map(({ held }) => held)).toEqual([true, true, true, false]);
    const own = world.view.machines.map(({ systemId }) => systemId);
    const fresh = larger.value.slots[3];
    expect([fresh?.machine?.systemId, ...(fresh?.alternatives ?? [])].some((id) => own.includes(id ?? null))).toBe(
      false,
    );
    expect(larger.value.pools[1]).toMatchObject({ needed: 1, steps: [{ label: '3 Ready' }] });
    expect(larger.value.address.candidates).toEqual([world.state?.address?.ip]);
    expect(preview([pool('workers', 6)])).toMatchObject({ ok: false, error: { code: 'NO_MATCHING_MACHINE' } });
    expect(JSON.stringify(world.state)).toBe(before);
  });

  test('[PV2] a cluster that is being given back takes nothing any more', () => {
    const { world, preview } = running(machines(4));
    world.delete();
    expect(preview()).toMatchObject({ ok: false, error: { code: 'CLUSTER_ENDING' } });
  });
});
