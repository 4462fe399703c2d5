// How the lab's MAAS says no: one union for the whole region model, so that the HTTP layer alone knows status codes.

import type { Result } from '../../../shared/result.ts';

export type Refusal =
  /** A form or model validation. `bare`: MAAS raised it outside a form, and its JSON then carries no charset. */
  | { code: 'invalid'; fields: Record<string, string[]>; bare: boolean }
  | { code: 'bad-request'; text: string }
  | { code: 'forbidden'; text: string }
  /** `bare`: Django's own 404, whose text carries no charset. */
  | { code: 'not-found'; text: string; bare: boolean }
  | { code: 'conflict'; text: string }
  /** A database conflict that outlived MAAS's own ten tries: HTML with Retry-After (maas.md §9). */
  | { code: 'transient-conflict' }
  /** An uncaught exception in MAAS, with its text. */
  | { code: 'crashed'; text: string }
  | { code: 'unavailable'; text: string; retryAfterSeconds: number | null }
  /** The real MAAS does this; the lab does not. */
  | { code: 'not-modelled'; what: string };

export type Outcome<T> = Result<T, Refusal>;

type Refused = { readonly ok: false; readonly error: Refusal };
const no = (error: Refusal): Refused => ({ ok: false, error });

export const invalid = (fields: Record<string, string[]>): Refused => no({ code: 'invalid', fields, bare: false });
export const invalidBare = (fields: Record<string, string[]>): Refused => no({ code: 'invalid', fields, bare: true });
export const badRequest = (text: string): Refused => no({ code: 'bad-request', text });
export const forbidden = (text = ''): Refused => no({ code: 'forbidden', text });
export const forAdmins = (): Refused => forbidden('This method is reserved for admin users.');
export const notFound = (text: string): Refused => no({ code: 'not-found', text, bare: false });
export const noMatch = (model: string): Refused =>
  no({ code: 'not-found', text: `No ${model} matches the given query.`, bare: true });
export const conflict = (text: string): Refused => no({ code: 'conflict', text });
export const transientConflict = (): Refused => no({ code: 'transient-conflict' });
export const crashed = (text: string): Refused => no({ code: 'crashed', text });
export const unavailable = (text: string, retryAfterSeconds: number | null): Refused =>
  no({ code: 'unavailable', text, retryAfterSeconds });
export const notModelled = (what: string): Refused => no({ code: 'not-modelled', what });
