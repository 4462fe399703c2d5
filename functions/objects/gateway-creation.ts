// Pure. The cluster that carries a gateway, from what the installer registered: one control plane that takes workloads too, on the
// built-in profile. Everything else is as for any cluster.
import { podNetworkManifest } from '../../shared/builtin-cni.ts';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import type { ClusterProfile, Layer } from '../../shared/cluster-profile.ts';
import { ClusterName, ClusterSpec } from '../../shared/cluster-spec.ts';
import type { AccountAccess } from '../../shared/command.ts';
import type { ClusterId } from '../../shared/ids.ts';
import type { GatewayMachines } from '../../shared/installation.ts';
import type { MachinesRelease } from '../../shared/release.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { StoredCreation } from '../store/clusters.ts';
import type { GatewayRecord } from './gateway-storage.ts';

/** The one pool, and so the slots `gateway-0` and on. */
const POOL = 'gateway';
const NAME_TOO_LONG =
  'On machines of its own a gateway has a name of at most 32 characters: its machines are called by it.';

/** Why an installation was not taken, for the person at the installer. */
export type Refusal = { readonly code: string; readonly detail: string };

export function gatewayCreation(
  { scope, gatewayId, name }: Pick<GatewayRecord, 'scope' | 'gatewayId' | 'name'>,
  clusterId: ClusterId,
  account: AccountAccess,
  machines: GatewayMachines,
): Result<StoredCreation, Refusal> {
  if (!ClusterName.safeParse(name).success) return err({ code: 'GATEWAY_NAME_TOO_LONG', detail: NAME_TOO_LONG });
  const { size, minimums, zones, podCidr, serviceCidr } = machines;
  const { profileId } = BUILTIN_PROFILE;
  const spec = ClusterSpec.parse({
    ...{ name, profileId, accountId: account.accountId },
    description: `The machines of gateway ${name}.`,
    pools: [{ name: POOL, role: 'control-plane', size, allowWorkloads: true, minimums, placement: { zones } }],
  });
  const profile = profileFor(podCidr, serviceCidr);
  return ok({ scope, clusterId, gatewayId, account, spec, profile, cluster: 'gateway' });
}

function profileFor(podSubnet: string, serviceSubnet: string): ClusterProfile {
  const layers = BUILTIN_PROFILE.layers.map((layer): Layer => {
    if (layer.kind === 'kubernetes') return { ...layer, podSubnet, serviceSubnet };
    // The pod network is told its range in its own manifest.
    return layer.kind === 'cni' ? { ...layer, manifests: podNetworkManifest(podSubnet) } : layer;
  });
  return { ...BUILTIN_PROFILE, layers };
}

/** What machines made from this profile run; null when it has not said all of it. */
export function machinesReleaseOf({ layers }: ClusterProfile): MachinesRelease | null {
  const os = layers.find((layer) => layer.kind === 'os');
  const kubernetes = layers.find((layer) => layer.kind === 'kubernetes');
  if (os === undefined || kubernetes === undefined) return null;
  const { version: kubernetesVersion, packageRepository, kubeVipImage } = kubernetes;
  return { image: os.image, kubernetesVersion, packageRepository, kubeVipImage };
}
