// Cloud accounts: kept only once the relay has really used them on MAAS. The key is sealed on receipt and never kept in plain.
import { z } from 'zod';
import type { AccountAccess } from '../../shared/command.ts';
import { AccountCreate, AccountUpdate, AccountView } from '../../shared/gateway-view.ts';
import { AccountId, randomPart } from '../../shared/ids.ts';
import { AccountFacts, InventoryFacts } from '../../shared/inventory.ts';
import { type ApiFailure, apiFailure, type ProblemCode } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { randomBytes } from '../clock.ts';
import {
  type AccountRow,
  type AccountWritten,
  accountView,
  addAccount,
  findAccount,
  listAccounts,
  removeAccount,
  replaceAccount,
} from '../store/cloud-accounts.ts';
import { clustersUsing } from '../store/clusters.ts';
import { gatewaysUsing } from '../store/gateways.ts';
import { tellClusters } from '../tell-clusters.ts';
import { askGateway } from './ask-gateway.ts';
import { CLUSTERS_NAMED_MAX } from './gateways.ts';
import { PageQuery, pageOf, readPage } from './page.ts';
import { fieldFailure } from './parse-failure.ts';
import { PROJECT_ADMINS, READERS } from './roles.ts';
import { type Context, defineRoute, Nothing, type Principal } from './route.ts';
import { sealMaasKey } from './seal-maas-key.ts';

const OneAccount = z.strictObject({ accountId: AccountId });

/** What asking MAAS through the gateway may meet. */
export const ASKING: readonly ProblemCode[] = [
  'GATEWAY_NOT_RUNNING',
  'GATEWAY_NO_ANSWER',
  'MAAS_UNREACHABLE',
  'MAAS_TLS_UNTRUSTED',
  'MAAS_UNAUTHORIZED',
  'MAAS_CLOCK_SKEW',
  'MAAS_FORBIDDEN',
  'MAAS_BUSY',
  'MAAS_BROKEN',
  'SITE_FORBIDS',
  'UNAVAILABLE',
];

export const createCloudAccount = defineRoute(
  {
    method: 'POST',
    path: '/v1/cloud-accounts',
    summary: 'Add a MAAS endpoint and key; kept only when they work from the gateway',
    roles: PROJECT_ADMINS,
    params: Nothing,
    query: Nothing,
    body: AccountCreate,
    answers: { 201: AccountView },
    problems: ['MAAS_KEY_FORMAT', 'ACCOUNT_NAME_TAKEN', ...ASKING],
  },
  async (call) => {
    const { body, catalogue, principal, now } = call;
    const misfit = endpointFailure(body.endpoint);
    if (misfit !== null) return err(misfit);
    const accountId = AccountId.parse(`acc_${randomPart(randomBytes(20))}`);
    const sealed = await sealMaasKey(call, body.gatewayId, { accountId, version: 1 }, body.apiKey);
    if (!sealed.ok) return sealed;
    const { endpoint, caBundlePem } = body;
    const access = { accountId, endpoint, sealedKey: sealed.value, caBundlePem };
    const facts = await observe(call, body.gatewayId, access);
    if (!facts.ok) return facts;
    const { name, gatewayId } = body;
    const row = { access, name, gatewayId, facts: facts.value, keyVersion: 1, validatedAt: now, createdAt: now };
    const failed = writeFailure(await addAccount(catalogue, principal.scope, row));
    if (failed !== null) return err(failed);
    return ok({ status: 201, body: accountView(row), headers: { location: `/v1/cloud-accounts/${accountId}` } });
  },
);

export const listCloudAccounts = defineRoute(
  {
    method: 'GET',
    path: '/v1/cloud-accounts',
    summary: 'List cloud accounts',
    roles: READERS,
    params: Nothing,
    query: PageQuery,
    body: Nothing,
    answers: { 200: pageOf(AccountView) },
    problems: ['CURSOR_INVALID'],
  },
  async ({ catalogue, principal, query }) => {
    const page = await readPage(
      query,
      (wanted) => listAccounts(catalogue, principal.scope, wanted),
      (row) => ({ createdAt: row.createdAt, id: row.access.accountId }),
    );
    return page.ok ? ok({ status: 200, body: { ...page.value, items: page.value.items.map(accountView) } }) : page;
  },
);

export const getCloudAccount = defineRoute(
  {
    method: 'GET',
    path: '/v1/cloud-accounts/{accountId}',
    summary: 'One cloud account',
    roles: READERS,
    params: OneAccount,
    query: Nothing,
    body: Nothing,
    answers: { 200: AccountView },
    problems: [],
  },
  async ({ catalogue, principal, params }) => {
    const row = await findAccount(catalogue, principal.scope, params.accountId);
    return row === null ? err(apiFailure('NOT_FOUND')) : ok({ status: 200, body: accountView(row) });
  },
);

export const updateCloudAccount = defineRoute(
  {
    method: 'PATCH',
    path: '/v1/cloud-accounts/{accountId}',
    summary: 'Change name, endpoint or key; checked on MAAS like a new one, then told to its clusters',
    roles: PROJECT_ADMINS,
    params: OneAccount,
    query: Nothing,
    body: AccountUpdate,
    answers: { 200: AccountView },
    problems: ['MAAS_KEY_FORMAT', 'ACCOUNT_NAME_TAKEN', ...ASKING],
  },
  async (call) => {
    const { catalogue, principal, params, body, now } = call;
    const old = await findAccount(catalogue, principal.scope, params.accountId);
    if (old === null) return err(apiFailure('NOT_FOUND'));
    const access = await changedAccess(call, old, body);
    if (!access.ok) return access;
    const facts = await observe(call, old.gatewayId, access.value);
    if (!facts.ok) return facts;
    const row: AccountRow = {
      ...old,
      access: access.value,
      name: body.name ?? old.name,
      facts: facts.value,
      keyVersion: old.keyVersion + 1,
      validatedAt: now,
    };
    const failed = writeFailure(await replaceAccount(catalogue, principal.scope, row, old.keyVersion));
    if (failed !== null) return err(failed);
    await tellClusters(call.env, catalogue, principal.scope, row);
    return ok({ status: 200, body: accountView(row) });
  },
);

export const validateCloudAccount = defineRoute(
  {
    method: 'POST',
    path: '/v1/cloud-accounts/{accountId}/validate',
    summary: 'Use the account on MAAS now, and say what it may do',
    roles: PROJECT_ADMINS,
    params: OneAccount,
    query: Nothing,
    body: Nothing,
    answers: { 200: AccountFacts },
    problems: ASKING,
  },
  async (call) => {
    const row = await findAccount(call.catalogue, call.principal.scope, call.params.accountId);
    if (row === null) return err(apiFailure('NOT_FOUND'));
    const facts = await observe(call, row.gatewayId, row.access);
    if (!facts.ok) return facts;
    const validated = { ...row, facts: facts.value, validatedAt: call.now };
    // When it changed meanwhile, that change was validated itself.
    await replaceAccount(call.catalogue, call.principal.scope, validated, row.keyVersion);
    return ok({ status: 200, body: facts.value });
  },
);

export const deleteCloudAccount = defineRoute(
  {
    method: 'DELETE',
    path: '/v1/cloud-accounts/{accountId}',
    summary: 'Delete an account that no cluster uses',
    roles: PROJECT_ADMINS,
    params: OneAccount,
    query: Nothing,
    body: Nothing,
    answers: { 204: null },
    problems: ['ACCOUNT_IN_USE'],
  },
  async ({ catalogue, principal, params }) => {
    const { scope } = principal;
    if ((await findAccount(catalogue, scope, params.accountId)) === null) return err(apiFailure('NOT_FOUND'));
    if (await removeAccount(catalogue, scope, params.accountId)) return ok({ status: 204 });
    const clusters = await clustersUsing(catalogue, scope, { accountId: params.accountId }, CLUSTERS_NAMED_MAX);
    const gateways = await gatewaysUsing(catalogue, scope, params.accountId);
    const detail = gateways.length === 0 ? undefined : `The machines of gateway ${gateways[0]?.name} stand on it.`;
    return err(apiFailure('ACCOUNT_IN_USE', detail, { clusters, gateways }));
  },
);

export const getInventory = defineRoute(
  {
    method: 'GET',
    path: '/v1/cloud-accounts/{accountId}/inventory',
    summary: 'What MAAS holds now: zones, pools, domains, subnets, tags, images, machines',
    roles: READERS,
    params: OneAccount,
    query: Nothing,
    body: Nothing,
    answers: { 200: InventoryFacts },
    problems: ASKING,
  },
  async (call) => {
    const row = await findAccount(call.catalogue, call.principal.scope, call.params.accountId);
    if (row === null) return err(apiFailure('NOT_FOUND'));
    const asked = await askGateway<'observe-inventory'>(call, row.gatewayId, {
      verb: 'observe-inventory',
      account: row.access,
    });
    return asked.ok ? ok({ status: 200, body: asked.value.inventory }) : asked;
  },
);

type Asker = Context & { readonly principal: Principal };

async function observe(
  call: Asker,
  gatewayId: AccountRow['gatewayId'],
  account: AccountAccess,
): Promise<Result<AccountFacts, ApiFailure>> {
  const asked = await askGateway<'observe-account'>(call, gatewayId, { verb: 'observe-account', account });
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

function endpointFailure(endpoint: string): ApiFailure | null {
  const url = new URL(endpoint);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return fieldFailure('endpoint', 'is not http or https');
  if (url.username !== '' || url.password !== '') return fieldFailure('endpoint', 'must not hold a user or password');
  return null;
}

function writeFailure(written: AccountWritten): ApiFailure | null {
  if (written === 'written') return null;
  return written === 'name-taken'
    ? apiFailure('ACCOUNT_NAME_TAKEN')
    : apiFailure('UNAVAILABLE', 'The account or its gateway was changed by another request at the same moment.');
}
