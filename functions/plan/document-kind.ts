// Pure. The three bootstraps there are, and where a machine keeps what it was given.

export type DocumentKind = 'init' | 'join-control-plane' | 'join-worker';

/** Outside /etc/kubernetes, since `kubeadm reset` empties that. */
export const SLIPWAY_FOLDER = '/var/lib/slipway';
