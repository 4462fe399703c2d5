// Dry runs over HTTP: checked as a creation is, answered from what the relay finds in MAAS, and nothing kept.
import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import { ClusterPlan, PoolFunnel } from '../../shared/cluster-plan.ts';
import { ClusterView } from '../../shared/cluster-view.ts';
import type { CommandOutcome } from '../../shared/command.ts';
import { AccountView } from '../../shared/gateway-view.ts';
import type { MachineFacts } from '../../shared/machine.ts';
import type { ProblemCode } from '../../shared/problem.ts';
import { anInventory, machines } from '../support/builders.ts';
import { type ApiGateway, accountOk, answerNext, connectGateway } from './api-gateway.ts';
import { answerOf, callApi, makeOtherTenant, problemOf, setUp } from './call-api.ts';

let admin: string;
let gateway: ApiGateway;
let accountId: string;

const { profileId } = BUILTIN_PROFILE;
const spec = (changes: object = {}) => ({ name: 'planned', profileId, accountId, ...changes });
const plan = (json: object, path = 'plan', key = admin) => callApi('POST', `/v1/clusters/${path}`, { key, json });
const holding = (list: MachineFacts[]): CommandOutcome => ({
  ok: true,
  value: { verb: 'observe-inventory', inventory: anInventory(list) },
});
const planned = async (answer: CommandOutcome, json: object, path?: string): Promise<Response> => {
  const [response] = await Promise.all([plan(json, path), answerNext(gateway, 'observe-inventory', answer, true)]);
  return response;
};
const refused = async (answer: CommandOutcome, json: object, code: ProblemCode, path?: string) =>
  problemOf(Promise.resolve(await planned(answer, json, path)), code);
const count = async (table: string) => {
  const { results } = await env.CATALOGUE.prepare(`select count(*) as rows from ${table}`).all();
  return results;
};

async function createAccount(via: ApiGateway, name: string): Promise<string> {
  const json = { name, gatewayId: via.node.gatewayId, endpoint: 'http://maas.test:5240/MAAS', apiKey: 'a:b:c' };
  const asked = callApi('POST', '/v1/cloud-accounts', { key: admin, json });
  const [account] = await Promise.all([
    answerOf(asked, 201, AccountView),
    answerNext(via, 'observe-account', accountOk),
  ]);
  return account.id;
}

beforeAll(async () => {
  ({ key: admin } = await setUp());
  gateway = await connectGateway(admin, 'dc-1');
  accountId = await createAccount(gateway, 'maas');
});

describe('the plan of a cluster that is not there yet', () => {
  test('names a machine for each slot, how each pool narrows down, and an address; nothing is stored', async () => {
    const before = [await count('clusters'), await count('idempotency_keys')];
    const response = await planned(holding(machines(4)), spec());
    const answer = await answerOf(Promise.resolve(response), 200, ClusterPlan);
    expect(answer.slots.map(({ slot, held }) => [slot, held])).toEqual([
      ['control-plane-0', false],
      ['workers-0', false],
    ]);
    const ids = answer.slots.map(({ machine }) => machine?.systemId);
    expect(new Set(ids).size).toBe(2);
    expect(answer.pools.map(({ steps }) => steps)).toEqual([
      [{ label: '4 Ready', left: 4 }],
      [{ label: '4 Ready', left: 4 }],
    ]);
    expect(answer.address.candidates.length).toBeGreaterThan(0);
    expect([await count('clusters'), await count('idempotency_keys')]).toEqual(before);
  });

  test('that too few machines match is 409 with the funnel of each pool', async () => {
    const problem = await refused(holding(machines(1)), spec(), 'NO_MATCHING_MACHINE');
    expect(problem.status).toBe(409);
    const { funnel, pool } = z.looseObject({ pool: z.string(), funnel: z.array(PoolFunnel) }).parse(problem);
    expect(funnel.map((one) => one.pool)).toEqual(['control-plane', 'workers']);
    expect(problem.detail).toBe(funnel.find((one) => one.pool === pool)?.sentence);
    expect(problem.detail).toContain('1 Ready → 0 not taken by another pool');
  });

  test('is checked as a creation is, before MAAS is asked', async () => {
    const pools = (size: number) => [{ name: 'cp', role: 'control-plane', size, allowWorkloads: true }];
    await problemOf(plan(spec({ pools: pools(2) })), 'CP_SIZE_ODD');
    await problemOf(plan(spec({ profileId: 'pro_nobody' })), 'PROFILE_REQUIRED');
    await problemOf(plan(spec({ accountId: 'acc_nobody' })), 'ACCOUNT_NOT_FOUND');
    await problemOf(plan(spec({ unknown: 1 })), 'BODY_INVALID');
    await answerOf(callApi('POST', '/v1/clusters', { key: admin, json: spec({ name: 'taken' }) }), 201, ClusterView);
    await problemOf(plan(spec({ name: 'taken' })), 'CLUSTER_NAME_TAKEN');
    const { key } = await makeOtherTenant();
    await problemOf(plan(spec(), 'plan', key), 'ACCOUNT_NOT_FOUND');
  });

  test('says when MAAS or the gateway can’t be asked, and when there is no address', async () => {
    const unauthorized: CommandOutcome = { ok: false, error: { code: 'MAAS_UNAUTHORIZED', detail: 'no such key' } };
    await refused(unauthorized, spec(), 'MAAS_UNAUTHORIZED');
    const inventory = anInventory(machines(4), { subnets: [] });
    await refused({ ok: true, value: { verb: 'observe-inventory', inventory } }, spec(), 'IP_SHORTAGE');
    const away = await connectGateway(admin, 'away');
    const awayAccount = await createAccount(away, 'away');
    away.relay.hangUp();
    await problemOf(plan(spec({ accountId: awayAccount })), 'GATEWAY_NOT_RUNNING');
  });
});

describe('the plan of a cluster that is there', () => {
  test('is for its own spec or for other pools, and changes nothing of it', async () => {
    const json = spec({ name: 'there' });
    const { id } = await answerOf(callApi('POST', '/v1/clusters', { key: admin, json }), 201, ClusterView);
    const view = () => answerOf(callApi('GET', `/v1/clusters/${id}`, { key: admin }), 200, ClusterView);
    const before = await view();
    const same = await answerOf(planned(holding(machines(4)), {}, `${id}/plan`), 200, ClusterPlan);
    expect(same.slots).toHaveLength(2);
    const pools = [
      { name: 'control-plane', role: 'control-plane', size: 3 },
      { name: 'workers', role: 'worker', size: 2 },
    ];
    const larger = await answerOf(planned(holding(machines(6)), { pools }, `${id}/plan`), 200, ClusterPlan);
    expect(larger.slots).toHaveLength(5);
    await refused(holding(machines(4)), { pools }, 'NO_MATCHING_MACHINE', `${id}/plan`);
    expect((await view()).spec).toEqual(before.spec);
    const even = [{ name: 'control-plane', role: 'control-plane', size: 2, allowWorkloads: true }];
    await problemOf(plan({ pools: even }, `${id}/plan`), 'CP_SIZE_ODD');
    await answerOf(callApi('POST', `/v1/clusters/${id}/abort`, { key: admin, json: {} }), 202, ClusterView);
    await refused(holding(machines(4)), {}, 'CLUSTER_ENDING', `${id}/plan`);
  });

  test('that another tenant has is not there', async () => {
    const json = spec({ name: 'private' });
    const { id } = await answerOf(callApi('POST', '/v1/clusters', { key: admin, json }), 201, ClusterView);
    const { key } = await makeOtherTenant();
    await problemOf(plan({}, `${id}/plan`, key), 'NOT_FOUND');
  });
});
