// A flannel-like pod network, written for the built-in profile: VXLAN between nodes, each node's range from its Node object.
// Values a site may want to change are parameters of the layer: put the whole manifest in their place.

export const FLANNEL_IMAGE = 'ghcr.io/flannel-io/flannel:v0.28.1';
export const FLANNEL_CNI_IMAGE = 'ghcr.io/flannel-io/flannel-cni-plugin:v1.8.0-flannel1';

export const podNetworkManifest = (podSubnet: string): string => `apiVersion: v1
kind: Namespace
metadata:
  name: kube-flannel
  labels:
    pod-security.kubernetes.io/enforce: privileged
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: flannel
  namespace: kube-flannel
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: flannel
rules:
  - apiGroups: ['']
    resources: [pods]
    verbs: [get]
  - apiGroups: ['']
    resources: [nodes]
    verbs: [get, list, watch]
  - apiGroups: ['']
    resources: [nodes/status]
    verbs: [patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: flannel
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: flannel
subjects:
  - kind: ServiceAccount
    name: flannel
    namespace: kube-flannel
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: kube-flannel-cfg
  namespace: kube-flannel
data:
  cni-conf.json: |
    {
      "name": "cbr0",
      "cniVersion": "0.3.1",
      "plugins": [
        { "type": "flannel", "delegate": { "hairpinMode": true, "isDefaultGateway": true } },
        { "type": "portmap", "capabilities": { "portMappings": true } }
      ]
    }
  net-conf.json: |
    { "Network": "${podSubnet}", "EnableNFTables": false, "Backend": { "Type": "vxlan" } }
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: kube-flannel-ds
  namespace: kube-flannel
  labels: { app: flannel }
spec:
  selector:
    matchLabels: { app: flannel }
  template:
    metadata:
      labels: { app: flannel }
    spec:
      nodeSelector:
        kubernetes.io/os: linux
      hostNetwork: true
      priorityClassName: system-node-critical
      serviceAccountName: flannel
      tolerations:
        - operator: Exists
          effect: NoSchedule
      initContainers:
        - name: install-plugin
          image: ${FLANNEL_CNI_IMAGE}
          command: [cp, -f, /flannel, /opt/cni/bin/flannel]
          volumeMounts:
            - { name: cni-plugin, mountPath: /opt/cni/bin }
        - name: install-config
          image: ${FLANNEL_IMAGE}
          command: [cp, -f, /etc/kube-flannel/cni-conf.json, /etc/cni/net.d/10-flannel.conflist]
          volumeMounts:
            - { name: cni, mountPath: /etc/cni/net.d }
            - { name: config, mountPath: /etc/kube-flannel }
      containers:
        - name: flannel
          image: ${FLANNEL_IMAGE}
          command: [/opt/bin/flanneld, --ip-masq, --kube-subnet-mgr]
          resources:
            requests: { cpu: 100m, memory: 50Mi }
          securityContext:
            privileged: false
            capabilities: { add: [NET_ADMIN, NET_RAW] }
          env:
            - name: POD_NAME
              valueFrom: { fieldRef: { fieldPath: metadata.name } }
            - name: POD_NAMESPACE
              valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
          volumeMounts:
            - { name: run, mountPath: /run/flannel }
            - { name: config, mountPath: /etc/kube-flannel }
            - { name: xtables-lock, mountPath: /run/xtables.lock }
      volumes:
        - { name: run, hostPath: { path: /run/flannel, type: DirectoryOrCreate } }
        - { name: cni-plugin, hostPath: { path: /opt/cni/bin, type: DirectoryOrCreate } }
        - { name: cni, hostPath: { path: /etc/cni/net.d, type: DirectoryOrCreate } }
        - { name: config, configMap: { name: kube-flannel-cfg } }
        - { name: xtables-lock, hostPath: { path: /run/xtables.lock, type: FileOrCreate } }
`;
