// One command run by a gateway's relay while the caller of the API waits. Nothing is stored: a caller that is gone asks again.
import { type BodyOf, type CommandFailure, type CommandResult, commandIdOf, type Verb } from '../../shared/command.ts';
import type { ClusterId, GatewayId, Scope } from '../../shared/ids.ts';
import { API_ASK_MS_MAX } from '../../shared/limits.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { assertNever, err, ok, type Result } from '../../shared/result.ts';
import { gatewayOf } from '../env.ts';
import { log } from '../log.ts';
import { askObject } from './call-object.ts';
import type { Context } from './route.ts';

export type ResultOf<V extends Verb> = Extract<CommandResult, { verb: V }>;

/** A gateway with the scope it is in, which need not be the asker's: what a relay is told is in its gateway's scope (C13). */
export type GatewayAddress = { readonly scope: Scope; readonly gatewayId: GatewayId };

/** The tunnel's own time-out comes first, so that the caller learns which part was silent. */
export const OBJECT_SLACK_MS = 2_000;

export async function askGateway<V extends Verb>(
  context: Context,
  { scope, gatewayId }: GatewayAddress,
  body: BodyOf<V>,
  cluster: { readonly id: ClusterId; readonly generation: number } | null = null,
): Promise<Result<ResultOf<V>, ApiFailure>> {
  const { env, requestId, now } = context;
  const generation = cluster?.generation ?? 0;
  const command = {
    commandId: commandIdOf(requestId, 'request', body.verb, generation, 0),
    scope,
    gatewayId,
    clusterId: cluster?.id ?? null,
    subject: 'request',
    generation,
    attempt: 0,
    deadlineAt: now + API_ASK_MS_MAX,
    body,
  };
  const asked = await askObject(
    () => gatewayOf(env, scope, gatewayId).ask(command, API_ASK_MS_MAX),
    API_ASK_MS_MAX + OBJECT_SLACK_MS,
  );
  if (!asked.ok) return asked;
  if (!asked.value.ok) {
    const { code, detail } = asked.value.error;
    log({ event: 'asked-command-failed', requestId, gateway: gatewayId, verb: body.verb, code, detail });
    return err(commandProblem(asked.value.error));
  }
  const result = asked.value.value;
  if (isResultOf(result, body.verb)) return ok(result);
  throw new Error(`asked ${body.verb}, answered ${result.verb}`);
}

function isResultOf<V extends Verb>(result: CommandResult, verb: V): result is ResultOf<V> {
  return result.verb === verb;
}

/** What a relay's refusal is to a user of the API. */
export function commandProblem(failure: CommandFailure): ApiFailure {
  switch (failure.code) {
    case 'MAAS_TLS_UNTRUSTED':
      return apiFailure(failure.code, failure.detail, { fingerprint: failure.fingerprint });
    case 'MAAS_FORBIDDEN':
      return apiFailure(failure.code, failure.detail, { operation: failure.operation });
    case 'MAAS_BUSY':
      return apiFailure(failure.code, failure.detail, { retryAfterSeconds: Math.ceil(failure.retryAfterMs / 1_000) });
    case 'MAAS_UNREACHABLE':
    case 'MAAS_UNAUTHORIZED':
    case 'MAAS_CLOCK_SKEW':
    case 'MAAS_BROKEN':
    case 'SITE_FORBIDS':
      return apiFailure(failure.code, failure.detail);
    case 'COMMAND_UNKNOWN':
      return apiFailure('GATEWAY_OUTDATED', failure.detail);
    // Sent and no answer in 30 s: for one who only looks, that is out of reach.
    case 'MAAS_UNKNOWN_OUTCOME':
      return apiFailure('MAAS_UNREACHABLE', failure.detail);
    // Looking at an account or an inventory can't meet these on a MAAS whose API is at this endpoint.
    case 'MAAS_NOT_FOUND':
    case 'MAAS_CONFLICT':
    case 'MAAS_REFUSED':
      return apiFailure('MAAS_BROKEN', failure.detail);
    case 'DEADLINE_PASSED':
      return apiFailure('GATEWAY_NO_ANSWER', failure.detail);
    case 'KUBERNETES_UNREACHABLE':
      return apiFailure('CLUSTER_NOT_RUNNING', failure.detail);
    // The cluster changed while it was asked about.
    case 'STALE_GENERATION':
      return apiFailure('UNAVAILABLE', 'The cluster is changing at this moment.');
    case 'SECRET_UNREADABLE':
    case 'CONFIGURATION_CHANGED':
    case 'NOT_OURS':
    case 'NO_CANDIDATE_LEFT':
    case 'FACTS_MISMATCH':
    case 'ADDRESS_TAKEN':
    case 'KUBERNETES_REFUSED':
    case 'DRAIN_BLOCKED':
    case 'NO_QUORUM':
    case 'STILL_MEMBER':
    case 'RELAY_STORAGE':
    case 'RELEASE_UNTRUSTED':
    case 'RELEASE_OLDER':
    case 'RELEASE_UNAVAILABLE':
    case 'RELEASE_ROLLED_BACK':
    case 'RELAY_BUG':
      return apiFailure('INTERNAL', 'The relay could not do what it was asked.');
    default:
      return assertNever(failure);
  }
}
