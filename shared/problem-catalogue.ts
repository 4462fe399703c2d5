// Every problem the API can answer, by stable code. `todo` says who acts next and how; causes go to logs.

import { RELEASE_PROBLEMS } from './release-problems.ts';

export type ProblemEntry = { readonly status: number; readonly title: string; readonly todo: string };

export const PROBLEMS = {
  // --- what was sent
  BODY_INVALID: {
    status: 422,
    title: 'The request has invalid fields',
    todo: 'Correct the fields listed in `errors`.',
  },
  BODY_NOT_JSON: { status: 400, title: 'The body is not JSON', todo: 'Send JSON with content-type application/json.' },
  BODY_TOO_LARGE: { status: 413, title: 'The body is too large', todo: 'Send at most 1 MiB.' },
  QUERY_INVALID: {
    status: 400,
    title: 'A query parameter is invalid',
    todo: 'Correct the parameters listed in `errors`.',
  },
  CURSOR_INVALID: { status: 400, title: 'The cursor is not one of ours', todo: 'Start again without `cursor`.' },
  NOT_FOUND: { status: 404, title: 'There is no such thing here', todo: 'Check the id, and that your key may see it.' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'That method is not for this path', todo: 'See GET /v1/openapi.json.' },
  // --- who asks
  UNAUTHENTICATED: { status: 401, title: 'No valid API key', todo: 'Send `Authorization: Bearer <API key>`.' },
  FORBIDDEN: {
    status: 403,
    title: 'Your role does not allow this',
    todo: 'Ask a tenant admin for the role named in `detail`.',
  },
  SETUP_DONE: {
    status: 409,
    title: 'Setup has been done already',
    todo: 'Use an API key; a tenant admin can make more.',
  },
  SETUP_SECRET_WRONG: {
    status: 401,
    title: 'The setup secret is wrong',
    todo: 'Use the SETUP_SECRET this deployment was given.',
  },
  RATE_LIMITED: { status: 429, title: 'Too many requests', todo: 'Wait as long as `retry-after` says.' },
  PROJECT_NAME_TAKEN: { status: 409, title: 'A project has this name', todo: 'Choose another name.' },
  PROJECT_NOT_FOUND: {
    status: 422,
    title: 'There is no such project',
    todo: 'List them: GET /v1/projects.',
  },
  API_KEY_NAME_TAKEN: { status: 409, title: 'An API key has this name', todo: 'Choose another name.' },
  LAST_ADMIN_KEY: {
    status: 409,
    title: 'This is the last key of a tenant admin',
    todo: 'Make another tenant-admin key first.',
  },
  // --- idempotency
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    title: 'The Idempotency-Key was used with another request',
    todo: 'Use a new key for a new request.',
  },
  IDEMPOTENCY_KEY_IN_USE: {
    status: 409,
    title: 'A request with this Idempotency-Key is under way',
    todo: 'Ask again in a second.',
  },
  // --- gateways and pairing
  GATEWAY_NAME_TAKEN: { status: 409, title: 'A gateway has this name', todo: 'Choose another name.' },
  GATEWAY_NOT_RUNNING: {
    status: 422,
    title: 'The gateway is not connected',
    todo: 'Start slipway-relay on the gateway; see its `doctor`.',
  },
  GATEWAY_HAS_CLUSTERS: {
    status: 409,
    title: 'The gateway still has clusters',
    todo: 'Delete the clusters listed, then try again.',
  },
  GATEWAY_QUEUE_FULL: {
    status: 503,
    title: 'The gateway has too much unfinished work',
    todo: 'Try again when its queue is shorter.',
  },
  GATEWAY_OUTDATED: {
    status: 409,
    title: 'The gateway’s relay is older than the console',
    todo: 'Upgrade the gateway, then try again.',
  },
  GATEWAY_NO_ANSWER: {
    status: 504,
    title: 'The gateway did not answer in time',
    todo: 'Try again; see the gateway’s conditions.',
  },
  GATEWAY_KEY_HELD: {
    status: 409,
    title: 'A connected relay still holds the gateway’s key',
    todo: 'Nothing is lost: pair a further relay, it gets the key. To give the key up, stop that relay first.',
  },
  PAIRING_CODE_UNKNOWN: {
    status: 404,
    title: 'The pairing code is not known',
    todo: 'Copy it again, or create a new gateway.',
  },
  PAIRING_CODE_USED: { status: 409, title: 'The pairing code was used', todo: 'Make a new code for this gateway.' },
  PAIRING_CODE_EXPIRED: {
    status: 410,
    title: 'The pairing code is older than 24 hours',
    todo: 'Make a new code for this gateway.',
  },
  PAIRING_PROOF_INVALID: {
    status: 422,
    title: 'The proof of the relay’s key is wrong',
    todo: 'Run `slipway-relay pair` again; if it stays, an intermediary alters the request.',
  },
  UPGRADE_REQUIRED: {
    status: 426,
    title: 'This path speaks WebSocket only',
    todo: 'Let slipway-relay dial it; see its `doctor` when a proxy takes the upgrade away.',
  },
  GATEWAY_SHRINK_UNSUPPORTED: {
    status: 422,
    title: 'A gateway can’t be made smaller',
    todo: 'Keep its size, or delete it and install a smaller one.',
  },
  GATEWAY_WITHOUT_MACHINES: {
    status: 409,
    title: 'The gateway is on a host of its own',
    todo: 'Pair further relays with it instead: POST /v1/gateways/{id}/pairing-code.',
  },
  GATEWAY_NOT_HEALTHY: {
    status: 409,
    title: 'The gateway’s machines are not running',
    todo: 'Wait until GET /v1/gateways/{id} shows `machines.phase` running.',
  },
  GATEWAY_REACHABLE: {
    status: 409,
    title: 'The gateway was reachable within the last 15 minutes',
    todo: 'Delete it without `orphan=true`, so that its machines are given back.',
  },
  ...RELEASE_PROBLEMS,
  // --- cloud accounts
  ACCOUNT_NAME_TAKEN: { status: 409, title: 'A cloud account has this name', todo: 'Choose another name.' },
  ACCOUNT_NOT_FOUND: {
    status: 422,
    title: 'There is no such cloud account',
    todo: 'List them: GET /v1/cloud-accounts.',
  },
  ACCOUNT_NOT_SHARED: {
    status: 403,
    title: 'This cloud account is not shared with your project',
    todo: 'Ask an admin of its project: PATCH /v1/cloud-accounts/{id} {"sharing": …}.',
  },
  ACCOUNT_IN_USE: {
    status: 409,
    title: 'Clusters use this cloud account',
    todo: 'Delete the clusters listed, then try again.',
  },
  MAAS_KEY_FORMAT: {
    status: 422,
    title: 'The MAAS API key is not of the form consumer_key:key:secret',
    todo: 'Copy it from the MAAS user’s preferences.',
  },
  MAAS_UNREACHABLE: {
    status: 422,
    title: 'The gateway can’t reach MAAS',
    todo: 'Check the endpoint and the network from the gateway.',
  },
  MAAS_TLS_UNTRUSTED: {
    status: 422,
    title: 'The certificate of MAAS is not trusted',
    todo: 'Give its CA as `caBundlePem`.',
  },
  MAAS_UNAUTHORIZED: { status: 422, title: 'MAAS refuses the API key', todo: 'Make a new key in MAAS.' },
  MAAS_CLOCK_SKEW: {
    status: 422,
    title: 'The gateway’s clock lags',
    todo: 'Correct the clock of the gateway host (MAAS allows 300 s).',
  },
  MAAS_FORBIDDEN: {
    status: 422,
    title: 'The MAAS user may not do this',
    todo: 'Give the MAAS user the right named in `detail`.',
  },
  MAAS_BUSY: { status: 503, title: 'MAAS is busy', todo: 'Try again in a moment.' },
  MAAS_BROKEN: {
    status: 422,
    title: 'What answers is not a MAAS we understand',
    todo: 'Check the endpoint (…/MAAS) and that MAAS is 3.0 or later.',
  },
  SITE_FORBIDS: {
    status: 422,
    title: 'The site’s own settings do not allow this',
    todo: 'See `detail`; the operator of the gateway host decides.',
  },
  // --- profiles and clusters
  PROFILE_REQUIRED: {
    status: 422,
    title: 'A MAAS infrastructure profile is required',
    todo: 'List them: GET /v1/cluster-profiles.',
  },
  PROFILE_PARAMETER_UNKNOWN: {
    status: 422,
    title: 'The profile has no such parameter',
    todo: 'See `detail` for the nearest match.',
  },
  CLUSTER_NAME_TAKEN: {
    status: 409,
    title: 'A cluster has this name',
    todo: 'Choose another; a deleted cluster’s name is kept for 72 hours.',
  },
  CP_POOL_REQUIRED: {
    status: 422,
    title: 'Exactly one control-plane pool is required',
    todo: 'Give one pool the role control-plane.',
  },
  CP_SIZE_ODD: { status: 422, title: 'The control plane needs an odd number of machines', todo: 'Use 1, 3, 5 or 7.' },
  WORKERS_REQUIRED: {
    status: 422,
    title: 'Nothing could run: no workers, and the control plane takes none',
    todo: 'Add a worker pool, or set allowWorkloads.',
  },
  POOL_NAME_TAKEN: { status: 422, title: 'Two pools have one name', todo: 'Name pools differently.' },
  CIDR_OVERLAP: { status: 422, title: 'Two networks overlap', todo: 'Change the one named in `detail`.' },
  IPV6_UNSUPPORTED: { status: 422, title: 'IPv6 is not supported yet', todo: 'Use IPv4 addresses.' },
  PROFILE_VERSION_TAKEN: {
    status: 409,
    title: 'The profile has this version already',
    todo: 'Versions never change: give a new version.',
  },
  PROFILE_IN_USE: {
    status: 409,
    title: 'Clusters use this profile',
    todo: 'Delete the clusters listed, then try again.',
  },
  PROFILE_BUILT_IN: {
    status: 409,
    title: 'The profile is built in',
    todo: 'Make your own: POST /v1/cluster-profiles.',
  },
  NO_MATCHING_MACHINE: {
    status: 409,
    title: 'Not enough machines match',
    todo: 'See `funnel` for what excludes them.',
  },
  IP_SHORTAGE: {
    status: 422,
    title: 'There is no address for the Kubernetes API',
    todo: 'Do what `detail` says, or name another endpoint.subnet.',
  },
  CONFIRMATION_REQUIRED: { status: 422, title: 'Confirm by name', todo: 'Add ?confirm=<name>.' },
  USE_ABORT: {
    status: 409,
    title: 'The cluster is not provisioned yet',
    todo: 'POST …/abort stops it and gives everything back.',
  },
  USE_DELETE: { status: 409, title: 'The cluster is provisioned', todo: 'DELETE it instead.' },
  CLUSTER_ENDING: {
    status: 409,
    title: 'The cluster is being given back',
    todo: 'Plan a new one: POST /v1/clusters/plan.',
  },
  CLUSTER_NOT_RUNNING: { status: 409, title: 'The cluster has no API yet', todo: 'Wait until its phase is running.' },
  CSR_INVALID: {
    status: 422,
    title: 'The certificate request can’t be used',
    todo: 'Send a PEM PKCS#10 request with a P-256, P-384 or RSA ≥ 2048 key.',
  },
  // --- ours
  UNAVAILABLE: {
    status: 503,
    title: 'A part of Slipway does not answer',
    todo: 'Try again; with the same Idempotency-Key nothing happens twice.',
  },
  INTERNAL: { status: 500, title: 'Something broke on our side', todo: 'Tell us the request id in `instance`.' },
} as const satisfies Record<string, ProblemEntry>;
