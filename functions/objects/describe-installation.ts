// Pure. How far an installation is, as the person at the installer reads it.
import { claimOf } from '../../shared/claim.ts';
import type { ClusterView, MachineView } from '../../shared/cluster-view.ts';
import { SlotId } from '../../shared/ids.ts';
import type { Installation, InstallationState, RelayOfMachine } from '../../shared/installation.ts';
import type { Refusal } from './gateway-creation.ts';
import type { GatewayRecord } from './gateway-storage.ts';
import type { OwnClusterRecord } from './own-cluster.ts';

/** As many as the frame takes. */
const WAITS_MAX = 20;
const MACHINES_MAX = 16;

export type InstallationFacts = {
  readonly installation: Installation;
  readonly refused: Refusal | null;
  /** What it waits for beside what the machines wait for. */
  readonly note: string | null;
  readonly cluster: OwnClusterRecord | null;
  readonly view: ClusterView | null;
  readonly relays: readonly RelayOfMachine[];
};

export function describeInstallation(
  { gatewayId }: Pick<GatewayRecord, 'gatewayId'>,
  facts: InstallationFacts,
): InstallationState {
  const { installation, note, cluster, view, relays } = facts;
  const sentences = [...(note === null ? [] : [note]), ...(view?.waitingOn ?? []).map(({ sentence }) => sentence)];
  const relayOf = ({ slot, attempt }: MachineView) => {
    if (cluster === null) return null;
    const claim = claimOf({ gatewayId, clusterId: cluster.id, slot: SlotId.parse(slot), attempt });
    return relays.find((relay) => relay.claim === claim) ?? null;
  };
  const refused = facts.refused ?? sizeRefusal(installation, view);
  return {
    refused: refused === null ? null : { code: refused.code, detail: refused.detail.slice(0, 1_000) },
    clusterId: cluster?.id ?? null,
    phase: view?.phase ?? null,
    failure: view?.failure ?? null,
    waitingOn: sentences.slice(0, WAITS_MAX),
    machines: (view?.machines ?? []).slice(0, MACHINES_MAX).map((machine) => {
      const relay = relayOf(machine);
      return {
        ...{ slot: machine.slot, hostname: machine.hostname, phase: machine.phase },
        relay: relay === null ? null : { nodeId: relay.nodeId, state: relay.state, connected: relay.connected },
      };
    }),
  };
}

/** Once the machines stand, their number is changed through the API, not by installing again. */
function sizeRefusal({ machines }: Installation, view: ClusterView | null): Refusal | null {
  if (machines === null || view === null || view.provisionedAt === null) return null;
  const size = sizeOf(view);
  if (size === machines.size) return null;
  const detail = `The gateway has ${size} machine${size === 1 ? '' : 's'}, the file asks for ${machines.size}. To change that: PATCH /v1/gateways/{id} {"size":3}.`;
  return { code: 'GATEWAY_SIZE_DIFFERS', detail };
}

/** Of the one pool of a gateway's machines. */
export function sizeOf({ spec }: Pick<ClusterView, 'spec'>): number {
  return spec.pools.find(({ role }) => role === 'control-plane')?.size ?? 0;
}
