// Named points at which workerd is killed: before and after each durable step of the objects, and between what one of them has
// committed and what its caller knows. Passed by test/edge/failpoint-worker.ts; the product itself has none of them.

export const EDGE_FAILPOINTS = [
  /** All is stored, the answer is not given. */
  'after-api-create',
  'after-api-delete',
  'before-cluster-create',
  'after-cluster-create',
  'before-cluster-report',
  'after-cluster-report',
  'after-cluster-deletion',
  'after-cluster-abort',
  'after-cluster-connected',
  'before-cluster-alarm',
  'after-cluster-alarm',
  'before-gateway-enqueue',
  'after-gateway-enqueue',
  'after-gateway-withdraw',
  'after-gateway-alarm',
  /** The cluster has the answer; its outbox still holds the commands. */
  'after-enqueue-answer',
  /** The cluster has stored the report; the gateway's queue still holds the command. */
  'after-report-answer',
  'after-hello',
  'before-receipt',
  'after-lease-request',
  'before-report',
  'after-report',
  'after-observations',
  'after-tunnel-closed',
] as const;
export type EdgeFailpoint = (typeof EDGE_FAILPOINTS)[number];
