// The lab's one HTTP server: /MAAS/api/ is MAAS, /MAAS/metadata/ is what machines see of it, /lab/ is the lab's own control.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { answerControl, type Control } from './control.ts';
import { HTML_502 } from './faults.ts';
import { claimOf, type HistoryEntry, shownParameters } from './history.ts';
import { fateOf } from './maas/fates.ts';
import { type Answer, html, text, wireBody } from './maas/http/answer.ts';
import { API_PREFIX, type MaasApi, prepareCall } from './maas/http/maas-api.ts';
import { type LabRequest, readRequest } from './maas/http/request.ts';
import { appendBounded } from './maas/region.ts';
import { answerMetadata, METADATA_PREFIX, type MetadataService } from './metadata-server.ts';

export type LabServices = {
  readonly api: MaasApi;
  readonly metadata: MetadataService;
  readonly control: Control;
  /** Kinds of calls whose answer a `loses-answers-…` machine has lost already. */
  readonly lostOnce: Set<string>;
};

export function createLabServer(services: LabServices): Server {
  return createServer((message, response) => {
    serve(services, message, response).catch((error: unknown) => {
      // The real MAAS answers 500 with the exception's text; here it is a bug of the lab, so it is shouted too.
      console.error(`lab: ${message.method} ${message.url}`, error);
      if (!response.headersSent) send(response, text(500, `lab bug: ${String(error)}`));
    });
  });
}

async function serve(services: LabServices, message: IncomingMessage, response: ServerResponse): Promise<void> {
  const read = await readRequest(message);
  if (!read.ok) {
    if (read.error.code === 'TOO_LARGE') send(response, html(413, 'Request Entity Too Large', { Connection: 'close' }));
    return;
  }
  const request = read.value;
  if (request.path.startsWith('/lab/')) return send(response, answerControl(services.control, request));
  if (request.path.startsWith(METADATA_PREFIX)) return send(response, answerMetadata(services.metadata, request));
  if (request.path.startsWith(API_PREFIX)) return serveApi(services, request, response);
  send(response, text(404, `The lab serves /MAAS/api/2.0/, /MAAS/metadata/ and /lab/, not ${request.path}\n`));
}

async function serveApi(services: LabServices, request: LabRequest, response: ServerResponse): Promise<void> {
  const { api, control } = services;
  const call = prepareCall(api, request);
  if (control.faults.take('refuse-connection', call)) return hangUp(response);
  const instead = control.faults.take('answer', call);
  if (instead) {
    const headers = instead.retryAfterSeconds === undefined ? {} : { 'Retry-After': String(instead.retryAfterSeconds) };
    const body = instead.contentType.startsWith('text/html') && instead.body === '' ? HTML_502 : instead.body;
    return send(response, { status: instead.status, contentType: instead.contentType, body, headers, about: null });
  }
  const claimBefore = claimOf(api.region, call.systemId, request.body);
  const { answer, caller } = await call.run();
  const systemId = answer.about ?? call.systemId;
  const called = { operation: call.operation, systemId };
  const lost =
    isMutation(request) && (control.faults.take('lose-answer', called) !== null || losesByFate(services, called));
  if (isMutation(request)) {
    appendBounded(control.history, {
      atMs: api.region.ports.now(),
      caller: caller?.username ?? null,
      operation: call.operation,
      path: request.path,
      machine: systemId,
      claim: claimBefore ?? claimOf(api.region, systemId, request.body),
      status: answer.status,
      answer: lost ? 'lost' : 'sent',
      parameters: shownParameters(request.body),
    } satisfies HistoryEntry);
  }
  const delay = control.faults.take('delay', called);
  if (delay) await new Promise<void>((resolve) => api.region.ports.schedule(delay.delayMs, resolve));
  if (lost) return hangUp(response);
  send(response, answer);
}

const isMutation = (request: LabRequest): boolean => ['POST', 'PUT', 'DELETE'].includes(request.method);

function losesByFate(services: LabServices, call: { operation: string; systemId: string | null }): boolean {
  const machine = call.systemId === null ? undefined : services.api.region.machines.get(call.systemId);
  if (!machine || !fateOf(machine.hostname).losesAnswers) return false;
  const key = `${machine.systemId} ${call.operation}`;
  if (services.lostOnce.has(key)) return false;
  services.lostOnce.add(key);
  return true;
}

function hangUp(response: ServerResponse): void {
  response.socket?.destroy();
}

function send(response: ServerResponse, answer: Answer): void {
  response.statusCode = answer.status;
  if (answer.contentType !== null) response.setHeader('Content-Type', answer.contentType);
  for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
  response.end(wireBody(answer));
}
