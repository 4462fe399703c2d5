// Projects of a tenant: each has its own clusters, profiles, gateways and keys. A cloud account is of one project, and may be
// shared with others of the tenant.
import { z } from 'zod';
import { EpochMs, ProjectId } from './ids.ts';

export const ProjectName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'use lower-case letters, digits and hyphens')
  .max(63);

export const ProjectCreate = z.strictObject({ name: ProjectName });

export const ProjectView = z.strictObject({ id: ProjectId, name: z.string(), createdAt: EpochMs });
export type ProjectView = z.infer<typeof ProjectView>;

/**
 * Whose clusters may stand on a cloud account, beside those of its own project: `tenant`: nobody's, it stays with the tenant's
 * admins there; `projects`: those of the projects listed; `all`: those of every project of the tenant, now and later.
 */
export const AccountSharing = z.union([
  z.enum(['tenant', 'all']),
  z.strictObject({ projects: z.array(ProjectId).min(1).max(100) }),
]);
export type AccountSharing = z.infer<typeof AccountSharing>;
