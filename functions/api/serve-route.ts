// One request through one route: who asks, may they, what do they send, the handler, the answer checked on its way out.
import { RequestId, randomPart } from '../../shared/ids.ts';
import { type ApiFailure, apiFailure, type ProblemCode } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { now, randomBytes } from '../clock.ts';
import type { Env } from '../env.ts';
import { log, messageOf } from '../log.ts';
import { openCatalogue } from '../store/catalogue.ts';
import { authenticate, roleFailure } from './authenticate.ts';
import { problemResponse } from './problem-response.ts';
import { readBody } from './read-body.ts';
import { repeatable } from './repeat-request.ts';
import type { Answer, Context, Given, Handled, Principal, Route } from './route.ts';

/** What the log says of a request. Paths are templates and bodies are left out: neither may carry a secret into a log. */
export type Trace = { readonly requestId: RequestId; keyId: string | null; code: ProblemCode | null };

export const newTrace = (): Trace => ({
  requestId: RequestId.parse(`req_${randomPart(randomBytes(20))}`),
  keyId: null,
  code: null,
});

export async function serveRoute(
  route: Route,
  request: Request,
  params: Readonly<Record<string, string>>,
  env: Env,
  trace: Trace,
): Promise<Response> {
  const base = { env, request, requestId: trace.requestId, now: now(), catalogue: openCatalogue(env.CATALOGUE) };
  try {
    const handled = await handle(route, base, params, trace);
    if (handled.ok) return answerResponse(route, handled.value);
    trace.code = handled.error.code;
    return problemResponse(handled.error, trace.requestId);
  } catch (error) {
    logBug(error, trace);
    return problemResponse(apiFailure('INTERNAL'), trace.requestId);
  }
}

async function handle(
  route: Route,
  base: Omit<Context, 'repeatKey'>,
  params: Readonly<Record<string, string>>,
  trace: Trace,
): Handled {
  const caller = typeof route.access === 'string' ? ok(null) : await authenticate(base.request, base.catalogue);
  if (!caller.ok) return caller;
  const principal = caller.value?.principal ?? null;
  trace.keyId = principal?.keyId ?? null;
  const refused = principal === null ? null : roleFailure(route.access, principal);
  if (refused !== null) return err(refused);
  const query = readQuery(base.request);
  if (!query.ok) return query;
  const body = route.method === 'GET' ? ok({ text: '', json: {} }) : await readBody(base.request);
  if (!body.ok) return body;
  const given = { ...base, principal, rawParams: params, rawQuery: query.value, rawBody: body.value.json };
  if (route.method !== 'POST' || caller.value === null) return route.handle({ ...given, repeatKey: null });
  return handleOnce(route, given, { ...caller.value, text: body.value.text });
}

async function handleOnce(
  route: Route,
  given: Omit<Given, 'repeatKey'>,
  caller: { principal: Principal; key: Parameters<typeof repeatable>[1]['key']; text: string },
): Handled {
  const once = await repeatable(given, caller, caller.text);
  if (!once.ok) return once;
  if (once.value === null) return route.handle({ ...given, repeatKey: null });
  const { repeatKey, run } = once.value;
  return run(() => route.handle({ ...given, repeatKey }));
}

function readQuery(request: Request): Result<Record<string, string>, ApiFailure> {
  const query = new URL(request.url).searchParams;
  const names = [...query.keys()];
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice === undefined) return ok(Object.fromEntries(query));
  return err({ ...apiFailure('QUERY_INVALID'), errors: [{ field: twice.slice(0, 100), message: 'is given twice' }] });
}

function answerResponse(route: Route, answer: Answer): Response {
  const headers = new Headers(answer.headers ?? {});
  if (answer.stream !== undefined) {
    headers.set('content-type', route.streams ?? 'application/octet-stream');
    return new Response(answer.stream, { status: answer.status, headers });
  }
  const schema = route.answers[answer.status];
  if (schema === undefined) throw new Error(`${route.method} ${route.path} answered an undeclared ${answer.status}`);
  if (schema === null) return new Response(null, { status: answer.status, headers });
  headers.set('content-type', 'application/json');
  return new Response(JSON.stringify(schema.parse(answer.body)), { status: answer.status, headers });
}

/** An exception is a bug of ours. drizzle's own message lists the parameters of a query, so its cause speaks instead. */
function logBug(error: unknown, trace: Trace): void {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const stack = cause instanceof Error ? cause.stack : undefined;
  log({ event: 'request-broke', requestId: trace.requestId, error: messageOf(cause), stack });
  trace.code = 'INTERNAL';
}
