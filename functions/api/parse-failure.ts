// What zod refused, as problems: which fields, and IPv6 by its own name.
import { IPv6 } from 'ipaddr.js';
import type { z } from 'zod';
import { type ApiFailure, apiFailure, type FieldError, type ProblemCode } from '../../shared/problem.ts';

/** Enough to correct a form; more would only echo a hostile body. */
const ERRORS_MAX = 50;

export function bodyFailure(raw: unknown, refused: z.ZodError): ApiFailure {
  const ipv6 = refused.issues.find((issue) => isIpv6(valueAt(raw, issue.path)));
  if (ipv6 !== undefined) {
    const field = ipv6.path.map(String).join('.');
    return { ...apiFailure('IPV6_UNSUPPORTED'), errors: [{ field, message: 'is IPv6' }] };
  }
  return withErrors('BODY_INVALID', refused);
}

export const queryFailure = (refused: z.ZodError): ApiFailure => withErrors('QUERY_INVALID', refused);

/** A refusal of one field that no schema can express. */
export const fieldFailure = (field: string, message: string): ApiFailure => ({
  ...apiFailure('BODY_INVALID', `${field} ${message}`),
  errors: [{ field, message }],
});

/** IPv6 address or network. */
export function isIpv6(value: unknown): boolean {
  return typeof value === 'string' && (IPv6.isValid(value) || IPv6.isValidCIDR(value));
}

export function fieldErrors(refused: z.ZodError, prefix: readonly string[] = []): FieldError[] {
  const errors = refused.issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path.map(String)];
    if (issue.code !== 'unrecognized_keys') return [{ field: path.join('.'), message: issue.message }];
    return issue.keys.map((key) => ({ field: [...path, key].join('.'), message: 'is not a field here' }));
  });
  return errors.slice(0, ERRORS_MAX).map(({ field, message }) => ({ field: field.slice(0, 300), message }));
}

function withErrors(code: ProblemCode, refused: z.ZodError): ApiFailure {
  const errors = fieldErrors(refused);
  const first = errors[0];
  const detail = first === undefined ? undefined : `${first.field || 'The body'}: ${first.message}`;
  return { ...apiFailure(code, detail), errors };
}

export function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  let at = raw;
  for (const key of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = new Map<PropertyKey, unknown>(Object.entries(at)).get(String(key));
  }
  return at;
}
