// Which roles may do what. Reading is for all; what a role may change grows towards the tenant admin.
import { ROLES, type Role } from '../../shared/api-key.ts';

export const READERS: readonly Role[] = ROLES;
export const EDITORS: readonly Role[] = ['tenant-admin', 'project-admin', 'project-editor'];
export const PROJECT_ADMINS: readonly Role[] = ['tenant-admin', 'project-admin'];
export const TENANT_ADMINS: readonly Role[] = ['tenant-admin'];
