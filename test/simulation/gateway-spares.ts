// What chance and people have to leave of a gateway on machines: somebody who holds its key, and a quorum of its etcd. Without
// either nothing could ever heal it, so a life that lost them would prove nothing. And the third machine of a slot: after that one
// the planner waits for a day, as it should (SPEC.md [MA14]), and a life is not that long.
import { currentMachines } from '../../functions/plan/cluster-state.ts';
import { recentFailures } from '../../functions/plan/plan-replacement.ts';
import { GATEWAY_KEY_FILE } from '../../relay/gateway-key.ts';
import { SLOT_TRIES_MAX } from '../../shared/limits.ts';
import type { OwnGateway } from './own-gateway.ts';
import type { RelayNode } from './relay-node.ts';
import { registrationOf, type SimulatedCluster } from './simulated-cluster.ts';
import type { World } from './world.ts';

/** `in a while`: it runs on for a moment, and may join its cluster yet: MAAS is asked to take it back, or it is marked broken. */
export type Going = 'at once' | 'in a while';

export function maySpare(world: World, gateway: OwnGateway, systemId: string, going: Going): boolean {
  return (
    leavesTries(world, gateway, systemId) &&
    leavesKey(world, gateway, systemId) &&
    leavesQuorum(world, gateway, systemId, going)
  );
}

/** False for the third machine of a slot. */
export function leavesTries({ timeline }: World, gateway: OwnGateway, systemId: string): boolean {
  const state = gateway.own()?.state ?? null;
  const machine = state === null ? undefined : currentMachines(state).find(({ held }) => held?.systemId === systemId);
  if (state === null || machine === undefined) return true;
  return recentFailures(state, machine.slot, timeline.now).length + 1 < SLOT_TRIES_MAX;
}

export const holdsKey = ({ disk }: RelayNode): boolean => (disk.files.get(GATEWAY_KEY_FILE)?.byteLength ?? 0) > 0;

function leavesKey(world: World, gateway: OwnGateway, systemId: string): boolean {
  const node = gateway.relays.of(systemId);
  if (node === null || !holdsKey(node)) return true;
  const staying = [...world.region.machines.keys()].filter((id) => id !== systemId && !isGoing(world, id));
  const others = [...staying.flatMap((id) => gateway.relays.of(id) ?? []), ...gateway.outside()];
  return others.some(holdsKey);
}

function leavesQuorum(world: World, gateway: OwnGateway, systemId: string, going: Going): boolean {
  const cluster = clusterOf(world, gateway);
  if (cluster === null) return true;
  const members = cluster.etcd.members();
  const joined = registrationOf(cluster, systemId);
  if (members.length === 1 && joined !== null) return gateway.relays.of(systemId) === null;
  const lost = gateway.machines().filter((id) => (id === systemId ? going === 'in a while' : isGoing(world, id)));
  const late = lost.filter((id) => registrationOf(cluster, id) === null);
  const gone = new Set([systemId, ...lost].flatMap((id) => registrationOf(cluster, id)?.name ?? []));
  const left = members.filter(({ up, name }) => up && !gone.has(name));
  return left.length > (members.length + late.length) / 2;
}

const STAYS: ReadonlySet<string> = new Set(['Allocated', 'Deploying', 'Deployed']);

/** MAAS takes it back, or somebody marked it broken. */
function isGoing({ region }: World, systemId: string): boolean {
  const machine = region.machines.get(systemId);
  return machine === undefined || !STAYS.has(machine.status);
}

function clusterOf({ kubernetes }: World, gateway: OwnGateway): SimulatedCluster | null {
  const address = gateway.own()?.state?.address?.ip;
  return [...kubernetes.clusters.values()].findLast(({ start }) => start.server.split(':')[0] === address) ?? null;
}
