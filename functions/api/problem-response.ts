// The one maker of `application/problem+json`.
import type { RequestId } from '../../shared/ids.ts';
import { type ApiFailure, problemOf } from '../../shared/problem.ts';

export function problemResponse(
  failure: ApiFailure,
  requestId: RequestId,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const problem = problemOf(failure, requestId);
  const { retryAfterSeconds } = failure.more ?? {};
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: {
      'content-type': 'application/problem+json',
      ...(problem.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
      ...(problem.status === 503 ? { 'retry-after': '1' } : {}),
      ...(typeof retryAfterSeconds === 'number' ? { 'retry-after': String(retryAfterSeconds) } : {}),
      ...headers,
    },
  });
}
