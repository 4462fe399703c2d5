// GET /v1/tunnel?object=<object name>: a relay's WebSocket, handed to its gateway's object. Who the relay is, the handshake on
// the socket proves (T2); here only the form is looked at.
import { RequestId, randomPart } from '../../shared/ids.ts';
import { apiFailure } from '../../shared/problem.ts';
import { randomBytes } from '../clock.ts';
import { type Env, gatewayStub, ORIGIN_HEADER, publicOrigin } from '../env.ts';
import { log, messageOf } from '../log.ts';
import { GatewayObjectName } from './object-name.ts';
import { problemResponse } from './problem-response.ts';

export const TUNNEL_PATH = '/v1/tunnel';

/** Answers 101 with a socket, or a problem. May be repeated: each is a new session. */
export async function openTunnel(request: Request, env: Env): Promise<Response> {
  const requestId = RequestId.parse(`req_${randomPart(randomBytes(20))}`);
  if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket')
    return problemResponse(apiFailure('UPGRADE_REQUIRED'), requestId, { upgrade: 'websocket' });
  // Browsers always send it, relays never do: no page may open a tunnel with somebody's network position.
  if (request.headers.has('origin'))
    return problemResponse(apiFailure('FORBIDDEN', 'A browser may not open a tunnel.'), requestId);
  const object = GatewayObjectName.safeParse(new URL(request.url).searchParams.get('object'));
  if (!object.success) return problemResponse(apiFailure('NOT_FOUND'), requestId);
  const headers = new Headers(request.headers);
  headers.set(ORIGIN_HEADER, publicOrigin(env, request.url));
  try {
    const stub = gatewayStub(env, object.data.scope.jurisdiction, object.data.name);
    const response = await stub.fetch(new Request(request.url, { headers }));
    return response.status === 404 ? problemResponse(apiFailure('NOT_FOUND'), requestId) : response;
  } catch (error) {
    log({ event: 'tunnel-not-opened', requestId, cause: messageOf(error) });
    return problemResponse(apiFailure('UNAVAILABLE'), requestId);
  }
}
