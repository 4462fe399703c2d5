// Pure. Conditions in the vocabulary of Cluster API (features §3.7), derived from the state.
import type { Condition } from '../../shared/cluster-view.ts';
import { type ClusterState, currentMachines, isReady, type MachineRecord, slotsOf } from './cluster-state.ts';
import { hasActiveRelay } from './gateway-relays.ts';
import { rolledOut } from './gateway-rollout.ts';
import { maasConditions } from './maas-health.ts';

export function conditionsOf(state: ClusterState): Condition[] {
  const { filledAt, address, api, gateway, intent, createdAt } = state;
  const infrastructure = filledAt !== null && address !== null && address.ip !== null;
  return [
    condition(
      'InfrastructureReady',
      infrastructure,
      filledAt ?? createdAt,
      'MachinesAndAddress',
      'Every slot has had a machine, and the address is reserved.',
    ),
    condition(
      'ControlPlaneInitialized',
      api?.firstReadyAt != null,
      api?.firstReadyAt ?? createdAt,
      'ApiAnswered',
      'The Kubernetes API has answered.',
    ),
    condition('ControlPlaneAvailable', api?.ready === true, api?.since ?? createdAt, 'ApiReady', api?.detail ?? ''),
    roleReady(state, 'control-plane', 'ControlPlaneMachinesReady'),
    roleReady(state, 'worker', 'WorkersAvailable'),
    condition('GatewayConnected', gateway?.connected !== false, gateway?.since ?? createdAt, 'Tunnel', ''),
    ...relayConditions(state),
    ...maasConditions(state),
    condition('Deleting', intent.kind !== 'present', intent.at, 'Asked', intent.actor),
  ];
}

function roleReady(state: ClusterState, role: 'control-plane' | 'worker', type: string): Condition {
  const wanted = slotsOf(state.spec).filter(({ pool }) => pool.role === role).length;
  const machines = currentMachines(state).filter((machine) => machine.role === role);
  const ready = slotsWith(machines, (machine) => isReady(state, machine));
  const since = Math.max(state.createdAt, ...machines.map((machine) => machine.readyAt ?? machine.chosenAt));
  return condition(type, ready >= wanted, since, 'NodesReady', `${ready} of ${wanted} nodes are Ready.`);
}

/** Of a gateway's own machines only. */
function relayConditions(state: ClusterState): Condition[] {
  if (state.kind !== 'gateway') return [];
  const wanted = slotsOf(state.spec).length;
  const machines = currentMachines(state);
  const since = Math.max(state.createdAt, ...machines.map(({ relay }) => relay?.since ?? state.createdAt));
  const active = slotsWith(machines, hasActiveRelay);
  const here = slotsWith(machines, ({ relay }) => relay?.status === 'here');
  return [
    condition('RelaysActive', active >= wanted, since, 'RelaysOfMachines', `${active} of ${wanted} relays are active.`),
    condition('RelaysConnected', here >= wanted, since, 'Tunnels', `${here} of ${wanted} relays are connected.`),
    rollingOut(state),
  ];
}

function rollingOut(state: ClusterState): Condition {
  const { rolling, provisionedAt, createdAt } = state;
  const { done, of } = rolledOut(state);
  const since = rolling?.at ?? provisionedAt ?? createdAt;
  return condition('RollingOut', rolling !== null, since, 'Machines', `${done} of ${of} machines run what is asked.`);
}

/** Slots with such a machine: one may have two for a while ([RO4]). */
function slotsWith(machines: readonly MachineRecord[], is: (machine: MachineRecord) => boolean): number {
  return new Set(machines.flatMap((machine) => (is(machine) ? machine.slot : []))).size;
}

function condition(type: string, is: boolean, lastTransition: number, reason: string, message: string): Condition {
  return { type, status: is ? 'True' : 'False', reason, message, lastTransition };
}
