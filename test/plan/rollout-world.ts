// A gateway that runs in a test's world and is asked to run something else, and what is watched meanwhile.
import type { ClusterEvent } from '../../functions/plan/cluster-event.ts';
import { type ClusterState, currentMachines, isReady, type MachineRecord } from '../../functions/plan/cluster-state.ts';
import type { MachinesRelease } from '../../shared/release.ts';
import { aCluster, machines } from '../support/builders.ts';
import { World } from './world.ts';

/** What the built-in profile says. */
export const NOW: MachinesRelease = {
  image: 'ubuntu/noble',
  kubernetesVersion: 'v1.36.2',
  packageRepository: 'https://pkgs.k8s.io/core:/stable:/v1.36/deb/',
  kubeVipImage: 'ghcr.io/kube-vip/kube-vip:v1.0.1',
};

export const release = (wish: Partial<MachinesRelease>): MachinesRelease => ({ ...NOW, ...wish });

/** Without its installer, so that only the relays on its machines carry it. */
export function running(size: number, spare: number): World {
  const world = new World(machines(size + spare)).create(aCluster().ofGateway(size).accepted());
  world.runToPhase('running');
  world.gateway.leave();
  return world;
}

export const change = (world: World, to: MachinesRelease): Extract<ClusterEvent, { kind: 'machines-changed' }> => ({
  kind: 'machines-changed',
  at: world.now,
  release: to,
});

export const roll = (world: World, wish: Partial<MachinesRelease>): void => world.give(change(world, release(wish)));

export function stateOf({ state }: World): ClusterState {
  if (state === null) throw new Error('no cluster');
  return state;
}

export function onlyOf(world: World, slot: string): MachineRecord {
  const found = currentMachines(stateOf(world)).filter((machine) => machine.slot === slot);
  const [machine] = found;
  if (machine === undefined || found.length > 1) throw new Error(`${found.length} machines in ${slot}`);
  return machine;
}

/** From here on, at each event: how many machines there were and served, and how many of their relays were connected. */
export function watched(world: World) {
  const seen: { machines: number; serving: number; relays: number }[] = [];
  world.intercept = () => {
    const state = stateOf(world);
    const current = currentMachines(state);
    const serving = current.filter((machine) => isReady(state, machine) && machine.relay?.status === 'here');
    const relays = state.relays.filter(({ connected, state: is }) => connected && is === 'active').length;
    seen.push({ machines: current.length, serving: serving.length, relays });
    return false;
  };
  return {
    fewest: () => Math.min(...seen.map(({ serving }) => serving)),
    most: () => Math.max(...seen.map(({ machines: count }) => count)),
    fewestRelays: () => Math.min(...seen.map(({ relays }) => relays)),
  };
}
