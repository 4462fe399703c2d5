// Pure. The three bootstraps there are, and where a machine keeps what it was given.

export type DocumentKind = 'init' | 'join-control-plane' | 'join-worker';

/** The step in which a machine becomes a node of a cluster that has begun, and a member of its etcd. */
export const JOIN_STEP = 'kubeadm-join';

/** Outside /etc/kubernetes, since `kubeadm reset` empties that. */
export const SLIPWAY_FOLDER = '/var/lib/slipway';
