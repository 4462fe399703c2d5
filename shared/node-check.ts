// What a relay finds when it looks at itself and around itself: by `slipway-relay doctor` for those at the node, by
// `observe-node` for those at the console.
import { z } from 'zod';
import { EpochMs, RelayNodeId } from './ids.ts';

export const NODE_CHECKS = [
  'state folder',
  'disk',
  'identity',
  'gateway key',
  'journal',
  'program',
  'release key',
  'dns',
  'proxy',
  'console',
  'clock',
  'maas',
  'maas key',
  'enrolment port',
  'enrolment addresses',
  'enrolment certificate',
] as const;
export const NodeCheckName = z.enum(NODE_CHECKS);
export type NodeCheckName = z.infer<typeof NodeCheckName>;

export const CHECK_DETAIL_MAX = 500;
/** Several of one name: one for each MAAS. */
export const NODE_CHECKS_MAX = 64;
/** Of the MAAS accounts that one node tries. */
export const CHECKED_ACCOUNTS_MAX = 16;

const found = {
  status: z.enum(['ok', 'failed', 'skipped']),
  /** Never a secret. */
  detail: z.string().max(CHECK_DETAIL_MAX),
  /** Empty when there is nothing to do. */
  todo: z.string().max(CHECK_DETAIL_MAX),
};
export const NodeCheck = z.strictObject({ name: NodeCheckName, ...found });
export type NodeCheck = z.infer<typeof NodeCheck>;

/** `tunnel`: whether the node answered the console at all. */
const CheckView = z.strictObject({ name: z.enum(['tunnel', ...NODE_CHECKS]), ...found });

export const GatewayDiagnosis = z.strictObject({
  ranAt: EpochMs,
  nodes: z.array(
    z.strictObject({
      nodeId: RelayNodeId,
      hostname: z.string(),
      leader: z.boolean(),
      checks: z.array(CheckView),
    }),
  ),
});
export type GatewayDiagnosis = z.infer<typeof GatewayDiagnosis>;
