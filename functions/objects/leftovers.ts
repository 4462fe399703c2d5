// Pure. What MAAS may still hold for a cluster that is given up: every claim whose machine was not seen to go, and the address.
import type { OrphanedGateway } from '../../shared/gateway-view.ts';
import type { ClusterState } from '../plan/cluster-state.ts';

export function leftoversOf(state: ClusterState | null): OrphanedGateway {
  if (state === null) return { machines: [], address: null };
  const { machines, address } = state;
  const standing = machines.filter(({ leaving }) => leaving === null || leaving.goneAt === null);
  return {
    machines: standing.map(({ claim, held }) => ({
      ...{ claim, systemId: held?.systemId ?? null, hostname: held?.hostname ?? null },
    })),
    address: address === null || address.releasedAt !== null ? null : { ip: address.ip, fqdn: address.fqdn },
  };
}
