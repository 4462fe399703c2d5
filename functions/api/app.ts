// HTTP in, HTTP out. Mounts the routes of routes.ts; makes no decisions.
import { Hono, type Context as HonoContext } from 'hono';
import { apiFailure, type ProblemCode } from '../../shared/problem.ts';
import { now } from '../clock.ts';
import type { Env } from '../env.ts';
import { log } from '../log.ts';
import { problemResponse } from './problem-response.ts';
import type { Route } from './route.ts';
import { ROUTES } from './routes.ts';
import { newTrace, serveRoute, type Trace } from './serve-route.ts';

type Serve = (request: Request, params: Readonly<Record<string, string>>, env: Env, trace: Trace) => Promise<Response>;
type HonoEnv = { Bindings: Env };

/** Answers every request: what no route takes is a problem too. */
export const app = mount(ROUTES);

export function mount(routes: readonly Route[]): Hono<HonoEnv> {
  const hono = new Hono<HonoEnv>();
  for (const route of routes) {
    hono.on(route.method, honoPath(route.path), (context) =>
      answered(context, route.path, (request, params, env, trace) => serveRoute(route, request, params, env, trace)),
    );
  }
  for (const path of new Set(routes.map((route) => route.path))) {
    const allow = routes.filter((route) => route.path === path).map((route) => route.method);
    hono.all(honoPath(path), (context) =>
      answered(context, path, refuse('METHOD_NOT_ALLOWED', { allow: allow.join(', ') })),
    );
  }
  hono.notFound((context) => answered(context, '', refuse('NOT_FOUND', {})));
  return hono;
}

function refuse(code: ProblemCode, headers: Readonly<Record<string, string>>): Serve {
  return async (_request, _params, _env, trace) => {
    trace.code = code;
    return problemResponse(apiFailure(code), trace.requestId, headers);
  };
}

/** `/v1/gateways/{gatewayId}` → `/v1/gateways/:gatewayId` */
function honoPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1');
}

async function answered(context: HonoContext<HonoEnv>, path: string, serve: Serve): Promise<Response> {
  const trace = newTrace();
  const startedAt = now();
  const { method } = context.req;
  const response = await serve(context.req.raw, context.req.param(), context.env, trace);
  response.headers.set('x-request-id', trace.requestId);
  if (!response.headers.has('cache-control')) response.headers.set('cache-control', 'no-store');
  response.headers.set('x-content-type-options', 'nosniff');
  const { requestId, keyId, code } = trace;
  log({ event: 'request', requestId, method, path, status: response.status, code, keyId, ms: now() - startedAt });
  return response;
}
