// The HTTP of one API server: body, user, impersonation, authorisation, etcd's mood, then the handler. One per address.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Result } from '../../../shared/result.ts';
import { err, ok } from '../../../shared/result.ts';
import type { Authenticate } from './authenticate.ts';
import { impersonated } from './authenticate.ts';
import { mayAccess, refusal } from './authorize.ts';
import type { User } from './bootstrap-tokens.ts';
import type { Answer, Call } from './call.ts';
import { failed } from './call.ts';
import type { Cluster } from './cluster.ts';
import { discover } from './discovery.ts';
import { findKind, handle, isAnswer } from './dispatch.ts';
import type { Phase } from './health.ts';
import { health, isHealthPath } from './health.ts';
import type { ApiRequest } from './request.ts';
import { parseRequest } from './request.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';
import type { ApiFailure } from './status.ts';
import { internal, notModelled, pageNotFound, timedOut, tooLarge } from './status.ts';
import { prepareWatch } from './watch.ts';

const BODY_MAX_BYTES = 3_145_728;
/** How often a request that waits for etcd looks again. */
const QUORUM_POLL_MS = 50;
/** On every answer, so that nobody takes the stand-in for a cluster. */
export const STAND_IN_HEADER = 'x-slipway-lab';
const STAND_IN_TEXT = 'stand-in for a Kubernetes API server; nothing runs here';
/** A real server names its flow schema and priority level on every authorised answer; these are the lab's own. */
const FLOW = {
  'x-kubernetes-pf-flowschema-uid': '51190a11-0000-4000-8000-000000000001',
  'x-kubernetes-pf-prioritylevel-uid': '51190a11-0000-4000-8000-000000000002',
};

export type ApiServerDeps = {
  readonly cluster: Cluster;
  readonly accounts: ServiceAccountTokens;
  readonly authenticate: Authenticate;
  /** host:port clients reach. */
  readonly endpoint: string;
  phase(): Phase;
};

async function readBody(request: IncomingMessage): Promise<Result<string, ApiFailure>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size <= BODY_MAX_BYTES) chunks.push(chunk);
  }
  return size > BODY_MAX_BYTES ? err(tooLarge(BODY_MAX_BYTES)) : ok(Buffer.concat(chunks).toString('utf8'));
}

function send(response: ServerResponse, told: Answer, more: Record<string, string> = {}): void {
  const body = typeof told.body === 'string' ? told.body : JSON.stringify(told.body);
  response.statusCode = told.status;
  const headers = {
    'audit-id': randomUUID(),
    'cache-control': 'no-cache, private',
    [STAND_IN_HEADER]: STAND_IN_TEXT,
    ...more,
  };
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  for (const [name, value] of Object.entries(told.headers ?? {}))
    response.setHeader(name, typeof value === 'string' ? value : [...value]);
  response.setHeader('content-type', told.contentType ?? 'application/json');
  if (told.status === 403) response.setHeader('x-content-type-options', 'nosniff');
  response.end(body);
}

/** `?timeout=3s` in milliseconds; undefined when absent or odd. */
function timeoutOf(request: ApiRequest): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(request.query.get('timeout') ?? '');
  if (match === null) return undefined;
  const unit = match[2] === 'ms' ? 1 : match[2] === 'm' ? 60_000 : 1000;
  return Number(match[1]) * unit;
}

/** The request handler of one API server. It never throws: a bug becomes a 500 that says so. */
export class ApiServer {
  readonly #deps: ApiServerDeps;

  constructor(deps: ApiServerDeps) {
    this.#deps = deps;
  }

  /** True once etcd has a quorum; false when the time is over first. */
  readonly #quorum = (waitMs: number, abandoned: () => boolean): Promise<boolean> => {
    return new Promise((resolve) => {
      const until = Date.now() + waitMs;
      const look = (): void => {
        if (this.#deps.cluster.etcd.hasQuorum()) resolve(true);
        else if (abandoned() || Date.now() >= until) resolve(false);
        else setTimeout(look, QUORUM_POLL_MS).unref();
      };
      look();
    });
  };

  readonly #userOf = (message: IncomingMessage, request: ApiRequest, socket: TLSSocket): Result<User, ApiFailure> => {
    const user = this.#deps.authenticate(message.headers, socket);
    if (!user.ok) return user;
    const other = impersonated(message.headers);
    if (!other.ok) return other;
    if (other.value === undefined) return user;
    const target = {
      group: '',
      version: 'v1',
      plural: 'users',
      namespace: '',
      name: other.value.name,
      subresource: '',
    };
    if (
      mayAccess(
        this.#deps.cluster.store,
        user.value,
        { verb: 'impersonate', target, path: request.path },
        this.#deps.phase() !== 'roles',
      )
    )
      return ok(other.value);
    const { target: asked } = request;
    if (asked === undefined) return err(refusal(user.value, request, 'impersonate', undefined));
    const verb = `impersonate-on:user-info:${request.verb}`;
    return err(refusal(user.value, request, verb, { ...asked, name: '' }));
  };

  readonly #healthOf = async (request: ApiRequest, response: ServerResponse): Promise<void> => {
    // The server asks etcd and waits for it before it says no.
    const asksEtcd =
      !request.query.getAll('exclude').includes('etcd') &&
      (request.path.split('/').length <= 2 || request.path.includes('etcd'));
    if (asksEtcd && !this.#deps.cluster.etcd.hasQuorum())
      await this.#quorum(this.#deps.cluster.options.timings.etcdCheckMs, () => response.destroyed);
    send(response, health(request, this.#deps.phase(), this.#deps.cluster.etcd.hasQuorum()), FLOW);
  };

  /** Lets a request through to the store when etcd answers. Reads that get no answer end without one, as recorded. */
  readonly #passesEtcd = async (call: Call, response: ServerResponse, socket: TLSSocket): Promise<boolean> => {
    if (this.#deps.cluster.etcd.hasQuorum() || call.resource.createOnly) return true;
    const reading = ['get', 'list', 'watch'].includes(call.request.verb);
    if (reading && call.request.verb !== 'get' && call.request.query.get('resourceVersion') === '0') return true;
    const waitMs = timeoutOf(call.request) ?? this.#deps.cluster.options.timings.writeTimeoutMs;
    if (await this.#quorum(waitMs, () => response.destroyed)) return true;
    if (reading) socket.destroy();
    else send(response, timedOut());
    return false;
  };

  readonly #resourceOf = async (
    request: ApiRequest,
    user: User,
    message: IncomingMessage,
    response: ServerResponse,
    socket: TLSSocket,
  ): Promise<void> => {
    const { target } = request;
    if (target === undefined) return;
    const found = findKind(this.#deps.cluster, target);
    if (isAnswer(found)) return send(response, found, FLOW);
    const body = await readBody(message);
    if (!body.ok) return send(response, failed(body.error), FLOW);
    const call: Call = {
      cluster: this.#deps.cluster,
      accounts: this.#deps.accounts,
      request,
      target,
      resource: found.resource,
      custom: found.custom,
      user,
      headers: message.headers,
      body: body.value,
    };
    if (!(await this.#passesEtcd(call, response, socket))) return;
    if (request.verb !== 'watch' || found.resource.createOnly) return send(response, handle(call), FLOW);
    const watch = prepareWatch(call);
    if (!watch.ok) return send(response, failed(watch.error), FLOW);
    response.writeHead(200, {
      'content-type': 'application/json',
      'cache-control': 'no-cache, private',
      'audit-id': randomUUID(),
      [STAND_IN_HEADER]: STAND_IN_TEXT,
      ...FLOW,
    });
    response.flushHeaders();
    watch.value.stream(response);
  };

  readonly #serve = async (message: IncomingMessage, response: ServerResponse, socket: TLSSocket): Promise<void> => {
    const request = parseRequest(message.method ?? 'GET', message.url ?? '/');
    const user = this.#userOf(message, request, socket);
    if (!user.ok) return send(response, failed(user.error));
    const question = { verb: request.verb, target: request.target, path: request.path };
    if (!mayAccess(this.#deps.cluster.store, user.value, question, this.#deps.phase() !== 'roles')) {
      return send(response, failed(refusal(user.value, request, request.verb, request.target)), FLOW);
    }
    if (isHealthPath(request.path)) return this.#healthOf(request, response);
    const discovered =
      request.verb === 'get' || request.verb === 'list'
        ? discover(this.#deps.cluster, request.path, this.#deps.endpoint)
        : undefined;
    if (discovered !== undefined) return send(response, discovered, FLOW);
    if (request.target !== undefined) return this.#resourceOf(request, user.value, message, response, socket);
    const played =
      request.path === '/metrics' ||
      request.path.startsWith('/openid') ||
      request.path.startsWith('/.well-known') ||
      request.path.startsWith('/logs');
    send(response, played ? failed(notModelled(`the path ${request.path}`)) : pageNotFound(), FLOW);
  };

  readonly handle = async (message: IncomingMessage, response: ServerResponse, socket: TLSSocket): Promise<void> => {
    try {
      await this.#serve(message, response, socket);
    } catch (error) {
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      if (response.headersSent) socket.destroy();
      else send(response, failed(internal(`a bug in the lab's stand-in Kubernetes API: ${why}`)));
    }
  };
}
