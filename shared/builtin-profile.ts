// The profile that is there from the first day: Ubuntu, Kubernetes by kubeadm, a pod network, no storage.
import { podNetworkManifest } from './builtin-cni.ts';
import { ClusterProfile } from './cluster-profile.ts';

const POD_SUBNET = '10.244.0.0/16';

/** Each layer's fields can be overridden by a cluster's `parameters`, under the layer's name. */
export const BUILTIN_PROFILE: ClusterProfile = ClusterProfile.parse({
  profileId: 'pro_maas',
  name: 'maas-infra',
  version: '1.0.0',
  type: 'infra',
  cloud: 'maas',
  description: 'Ubuntu 24.04, Kubernetes 1.36 by kubeadm with kube-vip, and a VXLAN pod network.',
  layers: [
    { kind: 'os', name: 'ubuntu', image: 'ubuntu/noble' },
    {
      kind: 'kubernetes',
      name: 'kubernetes',
      version: 'v1.36.2',
      packageRepository: 'https://pkgs.k8s.io/core:/stable:/v1.36/deb/',
      kubeVipImage: 'ghcr.io/kube-vip/kube-vip:v1.0.1',
      podSubnet: POD_SUBNET,
      serviceSubnet: '10.96.0.0/16',
    },
    { kind: 'cni', name: 'flannel', manifests: podNetworkManifest(POD_SUBNET) },
    { kind: 'csi', name: 'storage', manifests: '' },
  ],
});
