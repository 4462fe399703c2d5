// The Secret that lets one machine join with kubeadm's token for some minutes (kubernetes.md §2.1).

export type JoinToken = {
  readonly id: string;
  readonly secret: string;
  readonly lifeMs: number;
};

/** @param now by the clock of the API server, which is the one that judges the token */
export function joinTokenSecret({ id, secret, lifeMs }: JoinToken, now: number) {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
    type: 'bootstrap.kubernetes.io/token',
    stringData: {
      description: 'Slipway: one machine joins',
      'token-id': id,
      'token-secret': secret,
      expiration: new Date(now + lifeMs).toISOString(),
      'usage-bootstrap-authentication': 'true',
      'usage-bootstrap-signing': 'true',
      'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
    },
  };
}
