// Pure. The static pod that holds the virtual address on one control-plane node at a time (kube-vip, ARP mode; kubernetes.md §4).
import { dump } from 'js-yaml';

/** The first node opens the API by super-admin.conf, which exists there only; admin.conf has no rights before init is done. */
export function kubeVipManifest(first: boolean, address: string, image: string): string {
  const kubeconfig = first ? '/etc/kubernetes/super-admin.conf' : '/etc/kubernetes/admin.conf';
  const manifest = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'kube-vip', namespace: 'kube-system' },
    spec: {
      hostNetwork: true,
      hostAliases: [{ hostnames: ['kubernetes'], ip: '127.0.0.1' }],
      containers: [
        {
          name: 'kube-vip',
          image,
          imagePullPolicy: 'IfNotPresent',
          args: ['manager'],
          env: environment(address),
          securityContext: { capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] } },
          volumeMounts: [{ mountPath: '/etc/kubernetes/admin.conf', name: 'kubeconfig', readOnly: true }],
        },
      ],
      // `File`: without it the container runtime would make a folder of a file that is not there yet.
      volumes: [{ name: 'kubeconfig', hostPath: { path: kubeconfig, type: 'File' } }],
    },
  };
  return dump(manifest, { lineWidth: -1, noRefs: true });
}

function environment(address: string): { name: string; value: string }[] {
  const values = {
    vip_arp: 'true',
    port: '6443',
    vip_interface: '{{fact:node-interface}}',
    vip_subnet: '32',
    cp_enable: 'true',
    cp_namespace: 'kube-system',
    svc_enable: 'false',
    vip_leaderelection: 'true',
    vip_leasename: 'plndr-cp-lock',
    vip_leaseduration: '15',
    vip_renewdeadline: '10',
    vip_retryperiod: '2',
    address,
  };
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}
