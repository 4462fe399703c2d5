// Cloud accounts: kept only once the relay has really used them on MAAS. The key is sealed on receipt and never kept in plain.
import { z } from 'zod';
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
  findUsableAccount,
  listAccounts,
  removeAccount,
  replaceAccount,
} from '../store/cloud-accounts.ts';
import { clustersUsing } from '../store/clusters.ts';
import { gatewaysUsing } from '../store/gateways.ts';
import { tellClusters } from '../tell-clusters.ts';
import { changedRow, endpointFailure, observe, sharingFailure } from './account-change.ts';
import { askGateway } from './ask-gateway.ts';
import { CLUSTERS_NAMED_MAX } from './gateways.ts';
import { PageQuery, pageOf, readPage } from './page.ts';
import { PROJECT_ADMINS, READERS } from './roles.ts';
import { type Context, defineRoute, Nothing, type Principal } from './route.ts';
import { sealMaasKey } from './seal-maas-key.ts';

const OneAccount = z.strictObject({ accountId: AccountId });

/** What asking MAAS through the gateway may meet. */
export const ASKING: readonly ProblemCode[] = [
  'GATEWAY_NOT_RUNNING',
  'GATEWAY_NO_ANSWER',
  'GATEWAY_OUTDATED',
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
    problems: ['MAAS_KEY_FORMAT', 'ACCOUNT_NAME_TAKEN', 'PROJECT_NOT_FOUND', ...ASKING],
  },
  async (call) => {
    const { body, catalogue, principal, now } = call;
    const misfit = endpointFailure(body.endpoint) ?? (await sharingFailure(call, body.sharing));
    if (misfit !== null) return err(misfit);
    const accountId = AccountId.parse(`acc_${randomPart(randomBytes(20))}`);
    const sealed = await sealMaasKey(call, body.gatewayId, { accountId, version: 1 }, body.apiKey);
    if (!sealed.ok) return sealed;
    const { endpoint, caBundlePem } = body;
    const access = { accountId, endpoint, sealedKey: sealed.value, caBundlePem };
    const { scope } = principal;
    const facts = await observe(call, { scope, gatewayId: body.gatewayId }, access);
    if (!facts.ok) return facts;
    const { name, gatewayId, sharing } = body;
    const row = {
      scope,
      sharing,
      access,
      name,
      gatewayId,
      facts: facts.value,
      keyVersion: 1,
      validatedAt: now,
      createdAt: now,
    };
    const failed = writeFailure(await addAccount(catalogue, row));
    if (failed !== null) return err(failed);
    return ok({ status: 201, body: accountView(row), headers: { location: `/v1/cloud-accounts/${accountId}` } });
  },
);

export const listCloudAccounts = defineRoute(
  {
    method: 'GET',
    path: '/v1/cloud-accounts',
    summary: 'List the cloud accounts of the project, and those that are shared with it',
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
    problems: ['ACCOUNT_NOT_SHARED'],
  },
  async (call) => {
    const row = await usable(call);
    return row.ok ? ok({ status: 200, body: accountView(row.value) }) : row;
  },
);

export const updateCloudAccount = defineRoute(
  {
    method: 'PATCH',
    path: '/v1/cloud-accounts/{accountId}',
    summary:
      'Change name, endpoint or key (checked on MAAS like a new one, then told to its clusters), or with whom it is shared; clusters that stand on it stay',
    roles: PROJECT_ADMINS,
    params: OneAccount,
    query: Nothing,
    body: AccountUpdate,
    answers: { 200: AccountView },
    problems: ['MAAS_KEY_FORMAT', 'ACCOUNT_NAME_TAKEN', 'ACCOUNT_NOT_SHARED', 'PROJECT_NOT_FOUND', ...ASKING],
  },
  async (call) => {
    const { catalogue, body } = call;
    const found = await changeable(call);
    if (!found.ok) return found;
    const old = found.value;
    const misfit = body.sharing === undefined ? null : await sharingFailure(call, body.sharing);
    if (misfit !== null) return err(misfit);
    const changed = await changedRow(call, old, body);
    if (!changed.ok) return changed;
    const { keyVersion } = old;
    const row = { ...changed.value, keyVersion: keyVersion + 1, sharing: body.sharing ?? old.sharing };
    const failed = writeFailure(await replaceAccount(catalogue, row, keyVersion));
    if (failed !== null) return err(failed);
    await tellClusters(call.env, catalogue, row);
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
    problems: ['ACCOUNT_NOT_SHARED', ...ASKING],
  },
  async (call) => {
    const found = await changeable(call);
    if (!found.ok) return found;
    const row = found.value;
    const facts = await observe(call, row, row.access);
    if (!facts.ok) return facts;
    const validated = { ...row, facts: facts.value, validatedAt: call.now };
    // When it changed meanwhile, that change was validated itself.
    await replaceAccount(call.catalogue, validated, row.keyVersion);
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
    problems: ['ACCOUNT_IN_USE', 'ACCOUNT_NOT_SHARED'],
  },
  async (call) => {
    const { catalogue, params } = call;
    const found = await changeable(call);
    if (!found.ok) return found;
    const { scope } = found.value;
    if (await removeAccount(catalogue, scope, params.accountId)) return ok({ status: 204 });
    const clusters = await clustersUsing(catalogue, scope, { accountId: params.accountId }, CLUSTERS_NAMED_MAX);
    const gateways = await gatewaysUsing(catalogue, scope, params.accountId);
    const own = gateways.length === 0 ? undefined : `The machines of gateway ${gateways[0]?.name} stand on it.`;
    const isForeign = clusters.length === 0 && gateways.length === 0;
    const detail = isForeign ? 'Clusters of other projects, which it was shared with, stand on it.' : own;
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
    problems: ['ACCOUNT_NOT_SHARED', ...ASKING],
  },
  async (call) => {
    const row = await usable(call);
    if (!row.ok) return row;
    const asked = await askGateway<'observe-inventory'>(call, row.value, {
      verb: 'observe-inventory',
      account: row.value.access,
    });
    return asked.ok ? ok({ status: 200, body: asked.value.inventory }) : asked;
  },
);

type Asker = Context & { readonly principal: Principal };
type Named = Asker & { readonly params: z.infer<typeof OneAccount> };

/** Of the project or shared with it. `NOT_FOUND` in another tenant, `ACCOUNT_NOT_SHARED` in another project of this one. */
async function usable({ catalogue, principal, params }: Named): Promise<Result<AccountRow, ApiFailure>> {
  const row = await findUsableAccount(catalogue, principal.scope, params.accountId);
  if (row === null) return err(apiFailure('NOT_FOUND'));
  return row === 'not-shared' ? err(apiFailure('ACCOUNT_NOT_SHARED')) : ok(row);
}

/** Of the project itself. */
async function changeable(call: Named): Promise<Result<AccountRow, ApiFailure>> {
  const row = await usable(call);
  if (!row.ok || row.value.scope.projectId === call.principal.scope.projectId) return row;
  return err(apiFailure('ACCOUNT_NOT_SHARED', 'It is shared for use only: a key of its own project changes it.'));
}

function writeFailure(written: AccountWritten): ApiFailure | null {
  if (written === 'written') return null;
  return written === 'name-taken'
    ? apiFailure('ACCOUNT_NAME_TAKEN')
    : apiFailure('UNAVAILABLE', 'The account or its gateway was changed by another request at the same moment.');
}
