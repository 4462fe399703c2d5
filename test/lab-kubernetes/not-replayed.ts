// The recordings that are not put to the stand-in, each with its reason.

/** Recordings that are not replayed, and why. A new recording must be put here or above. */
export const NOT_REPLAYED: Readonly<Record<string, string>> = {
  'etcd-quorum-lost-node-get': 'no answer at all: tested by etcd-quorum.test.ts',
  'etcd-quorum-lost-node-get-timeout-3s': 'no answer at all: tested by etcd-quorum.test.ts',
  'startup-livez-verbose-500': 'one of many in-between lists; the stand-in plays one list a phase',
  'startup-livez-verbose-500-2': 'one of many in-between lists; the stand-in plays one list a phase',
  'startup-livez-verbose-500-3': 'one of many in-between lists; the stand-in plays one list a phase',
  'startup-readyz-verbose-500-2': 'one of many in-between lists; the stand-in plays one list a phase',
  'startup-readyz-verbose-500-3': 'one of many in-between lists; the stand-in plays one list a phase',
  'fieldvalidation-default-warn': 'duplicate keys inside JSON are not noticed (unknown fields are)',
  'fieldvalidation-strict-unknown-field-400': 'duplicate keys inside JSON are not noticed (unknown fields are)',
  'impersonate-allowed-200': 'the recorded body is shortened',
  'job-get-active': 'Jobs are played in one step; the product uses none yet',
  'job-get-complete': 'Jobs are played in one step; the product uses none yet',
  'job-delete-default-orphans-pods': 'Jobs are played in one step; the product uses none yet',
  'pods-of-job': 'Jobs are played in one step; the product uses none yet',
  'pod-get-image-pull-backoff': 'images are never pulled here',
  'pods-list-of-deleted-node': 'a moment in a race: the collector removes them here as there',
  'kube-system-leases-list': 'leader leases are not played: there are no controllers to elect',
  'node-proxy-healthz-kubelet': 'no kubelet to proxy to: 501',
  'openid-configuration': 'service-account issuer discovery: 501',
};
