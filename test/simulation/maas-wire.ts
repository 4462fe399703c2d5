// From the relay's MAAS driver to the lab's MAAS, without sockets: requests and answers that are late, lost before or after the
// work is done, refused, or answered by a proxy in front. A request outlives the process that sent it.
import type { MaasAnswer, MaasRequest, TransportFailure } from '../../relay/maas/transport.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { HTML_502 } from '../lab/faults.ts';
import { type Fields, fieldsFrom, NO_FIELDS } from '../lab/maas/fields.ts';
import { type Answer, wireBody } from '../lab/maas/http/answer.ts';
import { type MaasApi, prepareCall } from '../lab/maas/http/maas-api.ts';
import type { LabRequest } from '../lab/maas/http/request.ts';
import type { Chance } from './faults.ts';
import { drainMicrotasks } from './microtasks.ts';
import type { RelayProcess } from './relay-process.ts';
import type { Site } from './site.ts';

export type MaasCall = {
  readonly process: RelayProcess;
  readonly operation: string;
  readonly systemId: string | null;
  readonly fields: Fields;
  readonly isChange: boolean;
  readonly sentAt: number;
};

/** Told before and after a change has been done at MAAS, whether or not anybody hears the answer. */
export type MaasWatch = {
  before(call: MaasCall): void;
  after(call: MaasCall, status: number, about: string | null): void;
};

type Exchanged = Result<MaasAnswer, TransportFailure>;
type Reply = { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string };

export class MaasWire {
  readonly #site: Site;
  readonly #api: MaasApi;
  readonly #watch: MaasWatch;
  /** No rack, no region: nothing answers. */
  isAway = false;
  calls = 0;

  constructor(site: Site, api: MaasApi, watch: MaasWatch) {
    this.#site = site;
    this.#api = api;
    this.#watch = watch;
  }

  readonly send = (process: RelayProcess, request: MaasRequest): Promise<Exchanged> =>
    new Promise((resolve) => {
      const { faults, network, timeline } = this.#site;
      this.calls += 1;
      process.point(`maas ${request.method} sent`);
      if (process.isGone) return;
      const cancelLimit = process.hear(request.timeoutMs, () => resolve(maybeSent('timed out (simulated)')));
      const end = (delayMs: number, outcome: Exchanged): void => {
        process.hear(delayMs, () => {
          cancelLimit();
          process.point(`maas ${request.method} answered`);
          if (!process.isGone) resolve(outcome);
        });
      };
      const strikes = (kind: Chance): boolean => this.#strikes(request, kind);
      if (this.isAway || strikes('maas-never-sent'))
        return end(network.between(1, 3_000), err({ code: 'NEVER_SENT', detail: 'connect ECONNREFUSED (simulated)' }));
      if (strikes('maas-request-lost')) return;
      const travelMs = strikes('maas-reordered') ? network.between(...faults.lateRequestMs) : network.between(2, 20);
      timeline.after(travelMs, () => {
        this.#serve(process, request, (reply) => {
          if (reply === null || strikes('maas-answer-lost')) return this.#hangUp(process, end);
          const slowMs = strikes('maas-slow') ? network.between(1_000, 32_000) : 0;
          end(network.between(2, 20) + slowMs, ok(reply));
        });
      });
    });

  #hangUp(process: RelayProcess, end: (delayMs: number, outcome: Exchanged) => void): void {
    // Half of the time the connection is reset at once, half of the time nothing is ever heard.
    if (!process.isGone && this.#site.network.chance(0.5))
      end(this.#site.network.between(1, 100), maybeSent('read ECONNRESET (simulated)'));
  }

  #serve(process: RelayProcess, request: MaasRequest, reply: (reply: Reply | null) => void): void {
    const instead = this.#refusal(request);
    if (instead !== null) return reply(instead);
    const read = labRequest(request);
    const prepared = prepareCall(this.#api, read);
    const call: MaasCall = {
      process,
      operation: prepared.operation,
      systemId: prepared.systemId,
      fields: read.body,
      isChange: request.method === 'POST',
      sentAt: this.#site.timeline.now,
    };
    if (call.isChange) this.#watch.before(call);
    void prepared.run().then(({ answer }) => {
      if (call.isChange) {
        const about = answer.about ?? prepared.systemId;
        this.#site.trace.say('maas', `${call.operation} ${about ?? ''} of ${process.name}: ${answer.status}`);
        this.#watch.after(call, answer.status, about);
      }
      if (this.#strikes(request, 'maas-500-done'))
        return reply({ status: 500, headers: {}, body: 'simulated failure, done' });
      reply(replyOf(answer));
    });
    drainMicrotasks();
  }

  #strikes({ method }: MaasRequest, kind: Chance): boolean {
    const { faults } = this.#site;
    return !(faults.sparesReads && method === 'GET') && faults.strikes(kind);
  }

  /** What may answer instead of MAAS, with nothing done. */
  #refusal(request: MaasRequest): Reply | null {
    const html = { 'content-type': 'text/html' };
    if (this.#strikes(request, 'maas-500')) return { status: 500, headers: {}, body: 'simulated failure' };
    if (this.#strikes(request, 'maas-503')) return { status: 503, headers: html, body: HTML_502 };
    if (this.#strikes(request, 'maas-409'))
      return {
        status: 409,
        headers: { 'retry-after': '5' },
        body: 'Conflict error. Try your request again, as it will most likely succeed.',
      };
    return null;
  }
}

const maybeSent = (detail: string): Exchanged => err({ code: 'MAYBE_SENT', detail });

function replyOf(answer: Answer): Reply {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(answer.headers)) headers[name.toLowerCase()] = value;
  if (answer.contentType !== null) headers['content-type'] = answer.contentType;
  const body = wireBody(answer, 0);
  return {
    status: answer.status,
    headers,
    body: typeof body === 'string' ? body : Buffer.from(body).toString('utf8'),
  };
}

function labRequest(request: MaasRequest): LabRequest {
  const url = new URL(request.url);
  const rawBody = Buffer.from(request.body ?? '');
  return {
    method: request.method,
    path: decodeURIComponent(url.pathname),
    query: fieldsFrom(url.searchParams),
    body: rawBody.length === 0 ? NO_FIELDS : fieldsFrom(new URLSearchParams(rawBody.toString('utf8'))),
    isJson: false,
    rawBody,
    authorization: request.headers.authorization ?? '',
    host: url.host,
  };
}
