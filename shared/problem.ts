// A problem as the API answers it (RFC 9457). The codes are in problem-catalogue.ts.
import { z } from 'zod';
import { PROBLEMS, type ProblemEntry } from './problem-catalogue.ts';

export type ProblemCode = keyof typeof PROBLEMS;
export const PROBLEM_CODES: readonly ProblemCode[] = z.array(z.custom<ProblemCode>()).parse(Object.keys(PROBLEMS));

export const FieldError = z.strictObject({ field: z.string(), message: z.string() });
export type FieldError = z.infer<typeof FieldError>;

/** The body of an `application/problem+json` answer. */
export const Problem = z.object({
  type: z.string(),
  status: z.int(),
  title: z.string(),
  code: z.string(),
  detail: z.string(),
  todo: z.string(),
  /** The request id. */
  instance: z.string(),
  errors: z.array(FieldError).optional(),
});
export type Problem = z.infer<typeof Problem> & Record<string, unknown>;

/** An expected failure of an API call, before it knows its request id. `more` holds a code's own fields, such as `clusters`. */
export type ApiFailure = {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly errors?: readonly FieldError[];
  readonly more?: Readonly<Record<string, unknown>>;
};

export const apiFailure = (code: ProblemCode, detail?: string, more?: Record<string, unknown>): ApiFailure => ({
  code,
  detail: detail ?? PROBLEMS[code].title,
  ...(more === undefined ? {} : { more }),
});

export function problemOf(failure: ApiFailure, instance: string): Problem {
  const entry: ProblemEntry = PROBLEMS[failure.code];
  return {
    ...failure.more,
    type: `https://slipway.dev/problems/${failure.code}`,
    status: entry.status,
    title: entry.title,
    code: failure.code,
    detail: failure.detail,
    todo: entry.todo,
    instance,
    ...(failure.errors === undefined ? {} : { errors: [...failure.errors] }),
  };
}
