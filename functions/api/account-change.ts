// A cloud account as a caller wants it to be: checked, its key sealed, and used on MAAS once.
import type { z } from 'zod';
import type { AccountAccess } from '../../shared/command.ts';
import type { AccountUpdate } from '../../shared/gateway-view.ts';
import type { AccountFacts } from '../../shared/inventory.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import type { AccountSharing } from '../../shared/project.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { AccountRow } from '../store/cloud-accounts.ts';
import { unknownProject } from '../store/projects.ts';
import { askGateway, type GatewayAddress } from './ask-gateway.ts';
import { fieldFailure } from './parse-failure.ts';
import type { Context, Principal } from './route.ts';
import { sealMaasKey } from './seal-maas-key.ts';

type Asker = Context & { readonly principal: Principal };

/** `PROJECT_NOT_FOUND`. */
export async function sharingFailure(
  { catalogue, principal }: Asker,
  sharing: AccountSharing,
): Promise<ApiFailure | null> {
  if (typeof sharing === 'string') return null;
  const unknown = await unknownProject(catalogue, principal.scope, sharing.projects);
  return unknown === null ? null : apiFailure('PROJECT_NOT_FOUND', `There is no project ${unknown}.`);
}

/** Sharing alone is no matter of MAAS: it can be ended also while the gateway is away. */
export async function changedRow(
  call: Asker,
  old: AccountRow,
  change: z.infer<typeof AccountUpdate>,
): Promise<Result<AccountRow, ApiFailure>> {
  const { sharing, ...rest } = change;
  if (sharing !== undefined && Object.keys(rest).length === 0) return ok(old);
  const access = await changedAccess(call, old, change);
  if (!access.ok) return access;
  const facts = await observe(call, old, access.value);
  if (!facts.ok) return facts;
  const name = change.name ?? old.name;
  return ok({ ...old, access: access.value, name, facts: facts.value, validatedAt: call.now });
}

/** What MAAS says of the account, through the gateway. */
export async function observe(
  call: Asker,
  gateway: GatewayAddress,
  account: AccountAccess,
): Promise<Result<AccountFacts, ApiFailure>> {
  const asked = await askGateway<'observe-account'>(call, gateway, { verb: 'observe-account', account });
  return asked.ok ? ok(asked.value.account) : asked;
}

async function changedAccess(
  call: Asker,
  old: AccountRow,
  change: z.infer<typeof AccountUpdate>,
): Promise<Result<AccountAccess, ApiFailure>> {
  const endpoint = change.endpoint ?? old.access.endpoint;
  const misfit = endpointFailure(endpoint);
  if (misfit !== null) return err(misfit);
  // Otherwise whoever may edit an account could have its key sent to a server of his own.
  if (endpoint !== old.access.endpoint && change.apiKey === undefined) {
    return err(fieldFailure('apiKey', 'must be given again when the endpoint changes'));
  }
  const caBundlePem = change.caBundlePem === undefined ? old.access.caBundlePem : change.caBundlePem;
  const kept = { ...old.access, endpoint, caBundlePem };
  if (change.apiKey === undefined) return ok(kept);
  const name = { accountId: old.access.accountId, version: old.keyVersion + 1 };
  const sealed = await sealMaasKey(call, old.gatewayId, name, change.apiKey);
  return sealed.ok ? ok({ ...kept, sealedKey: sealed.value }) : sealed;
}

export function endpointFailure(endpoint: string): ApiFailure | null {
  const url = new URL(endpoint);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return fieldFailure('endpoint', 'is not http or https');
  if (url.username !== '' || url.password !== '') return fieldFailure('endpoint', 'must not hold a user or password');
  return null;
}
