// How a MAAS call can fail, as the rest of the system sees it. Made in one place only: relay/maas/maas-error.ts.
import { z } from 'zod';

const detail = z.string().max(2_000);

export const MaasFailure = z.discriminatedUnion('code', [
  /** Never reached MAAS: nothing happened. Safe to try again. */
  z.strictObject({ code: z.literal('MAAS_UNREACHABLE'), detail }),
  z.strictObject({ code: z.literal('MAAS_TLS_UNTRUSTED'), fingerprint: z.string(), detail }),
  z.strictObject({ code: z.literal('MAAS_UNAUTHORIZED'), detail }),
  /** This host's clock lags more than MAAS's 300 s. */
  z.strictObject({ code: z.literal('MAAS_CLOCK_SKEW'), detail }),
  z.strictObject({ code: z.literal('MAAS_FORBIDDEN'), operation: z.string(), detail }),
  z.strictObject({ code: z.literal('MAAS_NOT_FOUND'), detail }),
  /** MAAS refuses because of the state of the thing: read it again. */
  z.strictObject({ code: z.literal('MAAS_CONFLICT'), detail }),
  /** MAAS asks to come back later; nothing happened. */
  z.strictObject({ code: z.literal('MAAS_BUSY'), retryAfterMs: z.int().nonnegative(), detail }),
  /** MAAS refuses the values given. */
  z.strictObject({ code: z.literal('MAAS_REFUSED'), fields: z.record(z.string(), z.array(z.string())), detail }),
  /** Sent, and no trustworthy answer: it may or may not have happened. Look before trying again. */
  z.strictObject({ code: z.literal('MAAS_UNKNOWN_OUTCOME'), detail }),
  /** Answered in a form that is not MAAS's (a proxy's HTML page, another version's JSON). */
  z.strictObject({ code: z.literal('MAAS_BROKEN'), detail }),
]);
export type MaasFailure = z.infer<typeof MaasFailure>;
