// Branded ids. Every id says by its prefix what it names; the random part carries 100 bits.
// Tenant, project and jurisdiction are part of every row, object name and claim from the first day (README, decisions).
import { z } from 'zod';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const idWith = <P extends string>(prefix: P) =>
  z
    .string()
    .regex(new RegExp(`^${prefix}_[0-9a-z]{1,26}$`))
    .brand<P>();

export const TenantId = idWith('ten');
export type TenantId = z.infer<typeof TenantId>;
export const ProjectId = idWith('prj');
export type ProjectId = z.infer<typeof ProjectId>;
export const GatewayId = idWith('gw');
export type GatewayId = z.infer<typeof GatewayId>;
export const RelayNodeId = idWith('nod');
export type RelayNodeId = z.infer<typeof RelayNodeId>;
export const AccountId = idWith('acc');
export type AccountId = z.infer<typeof AccountId>;
export const ProfileId = idWith('pro');
export type ProfileId = z.infer<typeof ProfileId>;
export const ClusterId = idWith('clu');
export type ClusterId = z.infer<typeof ClusterId>;
export const ApiKeyId = idWith('key');
export type ApiKeyId = z.infer<typeof ApiKeyId>;
export const RequestId = idWith('req');
export type RequestId = z.infer<typeof RequestId>;

/** Where state may live; part of an object's name since it can't be changed later (Cloudflare Durable Objects). */
export const Jurisdiction = z.enum(['default', 'eu', 'fedramp']);
export type Jurisdiction = z.infer<typeof Jurisdiction>;

/** MAAS's own name of a machine: six characters of [a-z0-9] in MAAS 3.x; kept lenient for older regions. */
export const SystemId = z
  .string()
  .regex(/^[a-z0-9-]{3,41}$/)
  .brand<'system'>();
export type SystemId = z.infer<typeof SystemId>;

/** One place in a pool that a machine fills: `<pool>-<index>`, such as `workers-0`. */
export const SlotId = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)
  .brand<'slot'>();
export type SlotId = z.infer<typeof SlotId>;

/** Milliseconds since 1970, as `Date.now()` gives them. */
export const EpochMs = z.int().nonnegative();
export type EpochMs = z.infer<typeof EpochMs>;

/** The random part of a new id: 20 characters from 20 random bytes (5 bits are used of each). */
export function randomPart(bytes: Uint8Array): string {
  return Array.from(bytes.slice(0, 20), (byte) => ALPHABET[byte & 31]).join('');
}

/** Who owns a thing and where it lives. */
export const Scope = z.strictObject({ tenantId: TenantId, projectId: ProjectId, jurisdiction: Jurisdiction });
export type Scope = z.infer<typeof Scope>;

/** The name of a Durable Object. Stable for the life of the thing it names. */
export function objectName(scope: Scope, id: GatewayId | ClusterId): string {
  return `${scope.jurisdiction}/${scope.tenantId}/${scope.projectId}/${id}`;
}
