// One cluster's API server over mutual TLS. @kubernetes/client-node brings the configuration, the request and watch
// plumbing; its generated API classes are not used, for three reasons seen in 2.0.1: their models drop fields they do not
// know (a newer manifest would be applied in part), what they answer is typed but never checked, and each call opens a new
// TLS connection, since the library makes an agent a request.
import {
  HttpMethod,
  IsomorphicFetchHttpLibrary,
  KubeConfig,
  RequestContext,
  type ResponseContext,
  Watch,
} from '@kubernetes/client-node';
import { Agent } from 'undici';
import { z } from 'zod';
import type { Result } from '../../shared/result.ts';
import { err, ok } from '../../shared/result.ts';
import { type ClientCredential, makeApiCredential } from '../bootstrap/client-credential.ts';
import type { ClusterIdentity } from '../bootstrap/cluster-identity.ts';
import { reasonOf } from '../log.ts';
import type { Clock } from '../ports.ts';
import type { KubernetesFailure } from './kubernetes-api.ts';

export type ApiRequest = {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly contentType?: string;
};

/** A virtual address that nobody holds answers nothing at all: do not wait long for it. */
const CONNECT_MS_MAX = 5_000;
/** The whole call. Without etcd quorum an API server hangs for more than 14 s (recordings `etcd-quorum-lost-*`). */
const CALL_MS_MAX = 20_000;
/** A list of 2,000 nodes with their images is some 30 MB. */
const ANSWER_BYTES_MAX = 64 * 1_048_576;
/** The credential is replaced so long before its end that no call started with it can outlive it. */
const CREDENTIAL_REST_MS = 2 * 60_000;

const Status = z.object({
  kind: z.literal('Status'),
  message: z.string().optional(),
  reason: z.string().optional(),
});

/** The library's configuration with a connection that is kept and a certificate that is renewed. */
class ClusterConfig extends KubeConfig {
  readonly #identity: ClusterIdentity;
  readonly #clock: Clock;
  #current: { readonly agent: Agent; readonly credential: ClientCredential } | null = null;

  constructor(server: string, identity: ClusterIdentity, clock: Clock) {
    super();
    this.#identity = identity;
    this.#clock = clock;
    this.loadFromClusterAndUser({ name: 'cluster', server, skipTLSVerify: false }, { name: 'slipway-relay' });
  }

  override async applySecurityAuthentication(context: RequestContext): Promise<void> {
    context.setDispatcher(await this.#agent());
  }

  async #agent(): Promise<Agent> {
    const now = this.#clock.now();
    if (this.#current !== null && this.#current.credential.notAfter - now > CREDENTIAL_REST_MS) {
      return this.#current.agent;
    }
    const credential = await makeApiCredential(this.#identity, now);
    const agent = new Agent({
      connect: {
        timeout: CONNECT_MS_MAX,
        ca: credential.caPem,
        cert: credential.certPem,
        key: credential.keyPem,
      },
      maxResponseSize: ANSWER_BYTES_MAX,
    });
    const old = this.#current;
    this.#current = { agent, credential };
    // Ends when what runs on it has ended.
    if (old !== null) void old.agent.close();
    return agent;
  }

  async close(): Promise<void> {
    await this.#current?.agent.destroy();
    this.#current = null;
  }
}

export class ClusterConnection {
  readonly #config: ClusterConfig;
  readonly #server: string;
  readonly #transport = new IsomorphicFetchHttpLibrary();

  readonly #callMsMax: number;

  constructor(server: string, identity: ClusterIdentity, clock: Clock, callMsMax = CALL_MS_MAX) {
    this.#callMsMax = callMsMax;
    this.#config = new ClusterConfig(server, identity, clock);
    this.#server = server;
  }

  /** The parsed JSON, or the text of an answer that is not JSON. */
  async call(request: ApiRequest): Promise<Result<unknown, KubernetesFailure>> {
    if (request.path.split('/').some((segment) => segment === '.' || segment === '..')) {
      return err({
        code: 'KUBERNETES_REFUSED',
        status: 400,
        reason: 'BadRequest',
        detail: 'a name that would be a path',
      });
    }
    try {
      const answer = await this.#send(request);
      const text = await answer.body.text();
      return answer.httpStatusCode < 300
        ? answerOf(text, answer.headers['content-type'])
        : err(refusalOf(answer.httpStatusCode, text));
    } catch (error) {
      return err(unreachable(causeOf(error)));
    }
  }

  /** The API server's clock, to the second: every answer of it bears the time. */
  async now(): Promise<Result<number, KubernetesFailure>> {
    try {
      const answer = await this.#send({ method: 'GET', path: '/version' });
      await answer.body.text();
      const now = Date.parse(answer.headers.date ?? '');
      return Number.isNaN(now) ? err(unreachable('its answer bears no time')) : ok(now);
    } catch (error) {
      return err(unreachable(causeOf(error)));
    }
  }

  /** Ends when the server ends it, when nothing came for 30 s (the library's bound), or when `signal` is aborted. */
  async watch(
    path: string,
    query: Readonly<Record<string, string>>,
    onEvent: (type: string, object: unknown) => void,
    signal: AbortSignal,
  ): Promise<{ readonly status: number | null; readonly detail: string } | null> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const controller = await new Watch(this.#config).watch(path, query, onEvent, resolve);
    const abort = (): void => controller.abort();
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    const failure = await promise;
    signal.removeEventListener('abort', abort);
    if (failure === null || failure === undefined || signal.aborted) return null;
    const status = z.object({ statusCode: z.int() }).safeParse(failure);
    return { status: status.success ? status.data.statusCode : null, detail: causeOf(failure) };
  }

  close(): Promise<void> {
    return this.#config.close();
  }

  async #send(request: ApiRequest): Promise<ResponseContext> {
    const url = new URL(request.path, this.#server);
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
    const context = new RequestContext(url.toString(), METHODS[request.method]);
    context.setHeaderParam('accept', 'application/json');
    if (request.body !== undefined) {
      context.setHeaderParam('content-type', request.contentType ?? 'application/json');
      context.setBody(JSON.stringify(request.body));
    }
    context.setSignal(AbortSignal.timeout(this.#callMsMax));
    await this.#config.applySecurityAuthentication(context);
    return this.#transport.send(context).toPromise();
  }
}

const METHODS = {
  GET: HttpMethod.GET,
  POST: HttpMethod.POST,
  PATCH: HttpMethod.PATCH,
  DELETE: HttpMethod.DELETE,
} as const;

export const unreachable = (detail: string): KubernetesFailure => ({
  code: 'KUBERNETES_UNREACHABLE',
  detail: detail.slice(0, 2_000),
});

function answerOf(text: string, contentType: string | undefined): Result<unknown, KubernetesFailure> {
  if (contentType === undefined || !contentType.includes('json')) return ok(text);
  try {
    return ok(JSON.parse(text));
  } catch {
    return err(unreachable('the answer calls itself JSON and is not'));
  }
}

function refusalOf(httpStatus: number, text: string): KubernetesFailure {
  const { reason, message } = statusOf(text);
  const detail = (message ?? text).slice(0, 2_000);
  return { code: 'KUBERNETES_REFUSED', status: httpStatus, reason: reason ?? '', detail };
}

function statusOf(text: string): { reason?: string | undefined; message?: string | undefined } {
  try {
    const status = Status.safeParse(JSON.parse(text));
    return status.success ? status.data : {};
  } catch {
    // Plain text is usual: `404 page not found`, and the list of checks that /readyz gives.
    return {};
  }
}

/** `fetch failed` says nothing; its cause does. */
function causeOf(error: unknown): string {
  return error instanceof Error && error.cause !== undefined ? reasonOf(error.cause) : reasonOf(error);
}
