// Pairing, for a relay that has nothing but its code. The catalogue finds the gateway, or the relay names it; its object decides.
import { PairingChallenge, PairingChallengeRequest, PairingRequest, PairingResponse } from '../../shared/pairing.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { gatewayOf, publicOrigin } from '../env.ts';
import type { GatewayRpc } from '../objects/rpc.ts';
import { findGatewayByCode } from '../store/gateways.ts';
import { askObject } from './call-object.ts';
import { GatewayObjectName } from './object-name.ts';
import { tooManyTries } from './public-tries.ts';
import { type Context, definePublicRoute, Nothing } from './route.ts';

export const challengePairing = definePublicRoute(
  {
    method: 'POST',
    path: '/v1/pairing/challenge',
    summary: 'What a relay must sign to pair',
    access: 'public',
    params: Nothing,
    query: Nothing,
    body: PairingChallengeRequest,
    answers: { 200: PairingChallenge },
    problems: ['RATE_LIMITED', 'PAIRING_CODE_UNKNOWN', 'PAIRING_CODE_USED', 'PAIRING_CODE_EXPIRED', 'UNAVAILABLE'],
  },
  async (call) => {
    const gateway = await gatewayByCode(call, call.body);
    if (!gateway.ok) return gateway;
    const origin = publicOrigin(call.env, call.request.url);
    const challenge = await askObject(() => gateway.value().pairingChallenge(call.body.codeHash, origin));
    return challenge.ok ? ok({ status: 200, body: challenge.value }) : challenge;
  },
);

export const pairRelay = definePublicRoute(
  {
    method: 'POST',
    path: '/v1/pairing',
    summary: 'Pair: the code’s hash, the relay’s keys, and a signature over the challenge',
    access: 'public',
    params: Nothing,
    query: Nothing,
    body: PairingRequest,
    answers: { 200: PairingResponse },
    problems: [
      'RATE_LIMITED',
      'PAIRING_CODE_UNKNOWN',
      'PAIRING_CODE_USED',
      'PAIRING_CODE_EXPIRED',
      'PAIRING_PROOF_INVALID',
      'UNAVAILABLE',
    ],
  },
  async (call) => {
    const gateway = await gatewayByCode(call, call.body);
    if (!gateway.ok) return gateway;
    const origin = publicOrigin(call.env, call.request.url);
    const paired = await askObject(() => gateway.value().pair(call.body, origin));
    return paired.ok ? ok({ status: 200, body: paired.value }) : paired;
  },
);

/** A code that a relay made is known to its gateway's object only, and so the one who pairs names the object (I3). */
async function gatewayByCode(
  context: Context,
  { codeHash, object }: { readonly codeHash: string; readonly object?: string | undefined },
): Promise<Result<() => GatewayRpc, ApiFailure>> {
  const limited = await tooManyTries(context, 'pairing');
  if (limited !== null) return err(limited);
  if (object === undefined) {
    const row = await findGatewayByCode(context.catalogue, codeHash);
    if (row === null) return err(apiFailure('PAIRING_CODE_UNKNOWN'));
    return ok(() => gatewayOf(context.env, row.scope, row.id));
  }
  const named = GatewayObjectName.safeParse(object);
  if (!named.success) return err(apiFailure('PAIRING_CODE_UNKNOWN'));
  return ok(() => gatewayOf(context.env, named.data.scope, named.data.gatewayId));
}
