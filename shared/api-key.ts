// API keys and the roles they carry. A key is shown once; only its SHA-256 is kept.
import { z } from 'zod';
import { ApiKeyId, EpochMs, Jurisdiction, ProjectId, TenantId } from './ids.ts';
import { base32, checkText } from './pairing.ts';

/** From most to least. An auditor reads everything and changes nothing, as a viewer; the two differ in what later issues show. */
export const ROLES = ['tenant-admin', 'project-admin', 'project-editor', 'project-viewer', 'auditor'] as const;
export const Role = z.enum(ROLES);
export type Role = z.infer<typeof Role>;

/** It becomes the user of a Kubernetes certificate: no colon, so that it can never be one of Kubernetes' own `system:` users. */
export const ApiKeyName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._@ -]{0,62}$/, 'use letters, digits and . _ @ -');

/** `slw_<39: 192 random bits>_<7: check>`, lower-case base32. The prefix is for secret scanners. */
export const ApiKey = z
  .string()
  .regex(/^slw_[a-z2-7]{39}_[a-z2-7]{7}$/)
  .refine((text) => checkText(text.slice(0, text.lastIndexOf('_'))) === text.slice(text.lastIndexOf('_') + 1))
  .brand<'api-key'>();
export type ApiKey = z.infer<typeof ApiKey>;

/** @param random 24 bytes */
export function makeApiKey(random: Uint8Array): ApiKey {
  const body = `slw_${base32(random.slice(0, 24))}`;
  return ApiKey.parse(`${body}_${checkText(body)}`);
}

export const ApiKeyCreate = z.strictObject({
  name: ApiKeyName,
  role: Role,
  /** That of the key it is made with when left out. */
  projectId: ProjectId.optional(),
});

export const ApiKeyView = z.strictObject({
  id: ApiKeyId,
  projectId: ProjectId,
  name: z.string(),
  role: Role,
  createdAt: EpochMs,
  revokedAt: EpochMs.nullable(),
});
export type ApiKeyView = z.infer<typeof ApiKeyView>;

/** `key` is in this answer and nowhere else. */
export const ApiKeyCreated = z.strictObject({ ...ApiKeyView.shape, key: ApiKey });
export type ApiKeyCreated = z.infer<typeof ApiKeyCreated>;

export const SetupResponse = z.strictObject({
  tenantId: TenantId,
  projectId: ProjectId,
  jurisdiction: Jurisdiction,
  apiKey: ApiKeyCreated,
});
export type SetupResponse = z.infer<typeof SetupResponse>;

export const WhoAmI = z.strictObject({
  keyId: ApiKeyId,
  name: z.string(),
  role: Role,
  tenantId: TenantId,
  projectId: ProjectId,
  jurisdiction: Jurisdiction,
});
