// A cluster as the API hands it to its object: one control plane, one worker, defaults everywhere.
import { ClusterProfile } from '../../shared/cluster-profile.ts';
import { ClusterSpec } from '../../shared/cluster-spec.ts';
import { ClusterId, type GatewayId } from '../../shared/ids.ts';
import { ACCOUNT, GATEWAY_ID, SCOPE } from './command-samples.ts';

export function aCreation(clusterId: string, gatewayId: GatewayId = GATEWAY_ID) {
  return {
    scope: SCOPE,
    clusterId: ClusterId.parse(clusterId),
    gatewayId,
    account: ACCOUNT,
    spec: ClusterSpec.parse({ name: clusterId.replace('_', '-'), profileId: 'pro_test', accountId: ACCOUNT.accountId }),
    profile: ClusterProfile.parse({
      profileId: 'pro_test',
      name: 'sample',
      version: '1.0.0',
      type: 'infra',
      cloud: 'maas',
      description: '',
      layers: [
        { kind: 'os', name: 'os', image: 'ubuntu/noble' },
        {
          kind: 'kubernetes',
          name: 'kubernetes',
          version: 'v1.33.0',
          kubeVipImage: 'ghcr.io/kube-vip/kube-vip:v1.0.0',
          podSubnet: '10.244.0.0/16',
          serviceSubnet: '10.96.0.0/16',
        },
        { kind: 'cni', name: 'cni', manifests: 'apiVersion: v1' },
      ],
    }),
  };
}
