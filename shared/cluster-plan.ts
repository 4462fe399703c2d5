// What a cluster would get if it were asked for now: the answer of the plan routes. Made by functions/plan/preview-cluster.ts.
import { z } from 'zod';
import { NodePool } from './cluster-spec.ts';
import { SystemId } from './ids.ts';
import { POOLS_MAX } from './limits.ts';

/** How many machines are left after each requirement; the last step is what fits. */
export const PoolFunnel = z.strictObject({
  pool: z.string(),
  role: z.enum(['control-plane', 'worker']),
  /** Machines still to be found; those the cluster has are not counted. */
  needed: z.int().nonnegative(),
  steps: z.array(z.strictObject({ label: z.string(), left: z.int().nonnegative() })),
  /** "Pool workers needs 2 machines: 14 Ready → 9 in pool edge → 4 ≥ 64 GiB." */
  sentence: z.string(),
});
export type PoolFunnel = z.infer<typeof PoolFunnel>;

export const PlannedMachine = z.strictObject({ systemId: SystemId, hostname: z.string(), zone: z.string() });

export const ClusterPlan = z.strictObject({
  pools: z.array(PoolFunnel),
  slots: z.array(
    z.strictObject({
      slot: z.string(),
      pool: z.string(),
      role: z.enum(['control-plane', 'worker']),
      /** The cluster has it already. Otherwise it is the first choice now, and nobody has reserved it. */
      held: z.boolean(),
      machine: PlannedMachine.nullable(),
      /** What is tried next when others take it first. */
      alternatives: z.array(SystemId),
    }),
  ),
  /** Where the address of the Kubernetes API is, or would be taken from, best first. */
  address: z.strictObject({ subnetCidr: z.string(), candidates: z.array(z.string()) }),
});
export type ClusterPlan = z.infer<typeof ClusterPlan>;

/** What would change of a cluster; without pools, what it lacks as it is. */
export const ClusterPlanRequest = z.strictObject({ pools: z.array(NodePool).min(1).max(POOLS_MAX).optional() });
