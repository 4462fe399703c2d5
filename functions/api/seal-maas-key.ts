// Seals a MAAS key to the gateway it is for. From here on the edge has ciphertext only.
import type { AccountId, GatewayId } from '../../shared/ids.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { SealedSecret } from '../../shared/sealed-secret.ts';
import { gatewayOf } from '../env.ts';
import { sealSecret } from '../seal-secret.ts';
import { findGateway } from '../store/gateways.ts';
import { callObject } from './call-object.ts';
import { readMaasKey } from './maas-key.ts';
import { fieldFailure } from './parse-failure.ts';
import type { Context, Principal } from './route.ts';

export async function sealMaasKey(
  context: Context & { readonly principal: Principal },
  gatewayId: GatewayId,
  name: { readonly accountId: AccountId; readonly version: number },
  text: string,
): Promise<Result<SealedSecret, ApiFailure>> {
  const key = readMaasKey(text);
  if (!key.ok) return key;
  const { scope } = context.principal;
  const row = await findGateway(context.catalogue, scope, gatewayId);
  if (row === null) return err(fieldFailure('gatewayId', 'is not a gateway of this project'));
  const view = await callObject(() => gatewayOf(context.env, scope, gatewayId).view());
  if (!view.ok) return view;
  const sealingKey = view.value?.phase === 'connected' ? view.value.sealingKey : null;
  if (sealingKey === null) return err(apiFailure('GATEWAY_NOT_RUNNING'));
  const secret = { purpose: 'maas-key' as const, recordId: name.accountId, version: name.version };
  return ok(await sealSecret({ scope, gatewayId, sealingKey }, secret, new TextEncoder().encode(key.value)));
}
