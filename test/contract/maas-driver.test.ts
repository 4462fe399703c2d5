// Every recorded answer of a real MAAS 3.7.3 through the driver: each failure must be classified, each body of the kinds
// we read must parse. The recordings lie beside the project; where they are absent this says so and skips.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { releaseAddress } from '../../relay/maas/addresses.ts';
import { eventsAfter } from '../../relay/maas/events.ts';
import { readDomains, readImages, readNames } from '../../relay/maas/inventory.ts';
import { addressNotHeld, addressRefusal, failureOfAnswer } from '../../relay/maas/maas-error.ts';
import { MachineAnswer, MachineListAnswer } from '../../relay/maas/machine-json.ts';
import { MaasFailure } from '../../shared/maas-failure.ts';
import { MachineFacts } from '../../shared/machine.ts';
import { says, scriptedMaas } from '../relay-maas/scripted-maas.ts';

const FOLDER = fileURLToPath(new URL('../../../shared/maas/exchanges/', import.meta.url));
const Exchange = z.object({
  scenario: z.string(),
  request: z.object({ method: z.string(), path: z.string(), query: z.record(z.string(), z.unknown()).optional() }),
  response: z.object({ status: z.int(), headers: z.record(z.string(), z.string()), body: z.unknown() }),
});
type Exchange = z.infer<typeof Exchange>;

const present = existsSync(FOLDER);
if (!present)
  console.info('The recordings of a real MAAS are not beside this project: their contract tests are skipped.');
const exchanges = (present ? readdirSync(FOLDER) : [])
  .filter((name) => name.endsWith('.json'))
  .map((name) => Exchange.parse(JSON.parse(readFileSync(`${FOLDER}${name}`, 'utf8'))));

const answerOf = ({ response }: Exchange) => ({
  status: response.status,
  headers: Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name.toLowerCase(), value])),
  body: typeof response.body === 'string' ? response.body : JSON.stringify(response.body),
});
const effectOf = ({ request }: Exchange) => (['GET', 'HEAD'].includes(request.method) ? 'read' : 'change');
const failureOf = (exchange: Exchange) =>
  failureOfAnswer(answerOf(exchange), { operation: exchange.scenario, effect: effectOf(exchange) });

/** What a scenario's name says that its status alone does not. */
const BY_NAME: Readonly<Record<string, MaasFailure['code']>> = {
  auth_lowercase_scheme: 'MAAS_UNAUTHORIZED',
  auth_old_timestamp: 'MAAS_CLOCK_SKEW',
  auth_nonce_replayed: 'MAAS_BUSY',
  auth_inactive_user: 'MAAS_UNAUTHORIZED',
  trailing_slash_missing_get: 'MAAS_BROKEN',
  trailing_slash_missing_post: 'MAAS_BROKEN',
  unknown_path: 'MAAS_BROKEN',
  unknown_op_get: 'MAAS_BROKEN',
  unknown_op_post: 'MAAS_BROKEN',
  post_op_via_get: 'MAAS_BROKEN',
  owner_data_get_op: 'MAAS_BROKEN',
  user_create_duplicate: 'MAAS_BUSY',
  ipaddresses_reserve_specific_again: 'MAAS_CONFLICT',
  ipaddresses_reserve_in_reserved_range: 'MAAS_REFUSED',
  ipaddresses_reserve_unmanaged_subnet: 'MAAS_REFUSED',
  query_power_no_rack: 'MAAS_BUSY',
};
const BY_STATUS: Readonly<Record<number, MaasFailure['code']>> = {
  400: 'MAAS_REFUSED',
  401: 'MAAS_UNAUTHORIZED',
  403: 'MAAS_FORBIDDEN',
  404: 'MAAS_NOT_FOUND',
  405: 'MAAS_BROKEN',
  409: 'MAAS_CONFLICT',
  410: 'MAAS_BROKEN',
};
function wanted(exchange: Exchange): MaasFailure['code'] | null {
  const { status } = exchange.response;
  if (status < 300) return null;
  if (status >= 500 && !(exchange.scenario in BY_NAME))
    return effectOf(exchange) === 'read' ? 'MAAS_BROKEN' : 'MAAS_UNKNOWN_OUTCOME';
  return BY_NAME[exchange.scenario] ?? BY_STATUS[status] ?? null;
}

describe.skipIf(!present)('the recordings of a real MAAS', () => {
  test('are all there', () => {
    expect(exchanges.length).toBeGreaterThan(380);
  });

  test('each answer is classified as its scenario means it', () => {
    const found = exchanges.map((exchange) => [exchange.scenario, failureOf(exchange)?.code ?? null]);
    expect(found).toEqual(exchanges.map((exchange) => [exchange.scenario, wanted(exchange)]));
  });

  test('each failure is one of the contract, and none holds a secret of the recordings', () => {
    const secrets = /[A-Za-z0-9]{32}|[A-Za-z0-9]{18}/;
    for (const exchange of exchanges) {
      const failure = failureOf(exchange);
      if (failure === null) continue;
      expect(MaasFailure.safeParse(failure).success, exchange.scenario).toBe(true);
      if (exchange.response.status === 401) expect(failure.detail, exchange.scenario).not.toMatch(secrets);
    }
  });

  test('each machine MAAS showed becomes facts of the contract', () => {
    let machines = 0;
    for (const exchange of exchanges.filter(({ response }) => response.status === 200)) {
      const single = isMachine(exchange.response.body);
      const list =
        exchange.request.path.endsWith('/machines/') &&
        exchange.request.method === 'GET' &&
        isMachineList(exchange.response.body);
      if (!single && !list) continue;
      const facts = single
        ? [MachineAnswer.parse(exchange.response.body)]
        : MachineListAnswer.parse(exchange.response.body);
      for (const each of facts) expect(MachineFacts.safeParse(each).success, exchange.scenario).toBe(true);
      machines += facts.length;
    }
    expect(machines).toBeGreaterThan(100);
  });

  test('the statuses are told as MAAS named them', () => {
    const named = exchanges.flatMap(({ response }) => (isMachine(response.body) ? [response.body] : []));
    const told = new Set(named.map((body) => `${MachineAnswer.parse(body).status} = ${body.status_name}`));
    expect([...told].filter((each) => spelled(each.split(' = ')[1] ?? '') !== each.split(' = ')[0])).toEqual([]);
    expect(told.size).toBeGreaterThan(8);
  });

  test('zones, pools, tags, domains, images and events are read', async () => {
    const from = (scenario: string) => scriptedMaas(() => says(200, bodyOf(scenario))).maas;
    expect(await readNames(from('zones_list'), 'zones')).toEqual({ ok: true, value: ['az1', 'az2', 'default'] });
    expect(await readNames(from('pools_list'), 'resourcepools')).toEqual({
      ok: true,
      value: ['default', 'infra', 'k8s'],
    });
    expect(await readNames(from('tags_list'), 'tags')).toMatchObject({ value: ['gpu', 'ssd', 'k8s-worker'] });
    expect(await readDomains(from('domains_list'))).toMatchObject({
      value: [{ name: 'maas', isDefault: true }, { name: 'lab.example' }],
    });
    expect(await readImages(from('boot_resources_list_uploaded'))).toEqual({
      ok: true,
      value: [{ name: 'k8s-node', architecture: 'amd64' }],
    });
    expect(await eventsAfter(from('events_query_w1'), 0)).toMatchObject({ value: { lastId: 248, more: false } });
  });

  test('refusals of addresses are known by their recorded words', async () => {
    expect(addressRefusal(recorded('ipaddresses_reserve_specific_again'))).toBe('taken');
    expect(addressRefusal(recorded('ipaddresses_reserve_in_reserved_range'))).toBe('reserved-range');
    expect(addressRefusal(recorded('ipaddresses_reserve_outside_subnets'))).toBe('outside-subnets');
    expect(addressNotHeld(recorded('ipaddresses_release_again'))).toBe(true);
    expect(addressNotHeld(recorded('ipaddresses_nonadmin_release_admins'))).toBe(true);
    expect(addressNotHeld(recorded('ipaddresses_release_bad_ip'))).toBe(false);
  });

  test('a name with two addresses, as a repeated reserve makes it, is read whole', async () => {
    const { maas } = scriptedMaas(({ path }) => says(200, path === 'dnsresources/' ? bodyOf('vip_d3_dns') : []));
    expect(await releaseAddress(maas, { ip: '10.10.0.94', fqdn: 'vipd.lab.example' })).toEqual({
      ok: true,
      value: 'absent',
    });
  });
});

const MachineLike = z.looseObject({ system_id: z.string(), cpu_count: z.number(), status_name: z.string() });
const isMachine = (body: unknown): body is z.infer<typeof MachineLike> => MachineLike.safeParse(body).success;
const isMachineList = (body: unknown): boolean => z.array(MachineLike).safeParse(body).success;
const spelled = (statusName: string): string => statusName.toLowerCase().replaceAll(' ', '-');

function recorded(scenario: string) {
  const found = exchanges.find((exchange) => exchange.scenario === scenario);
  if (found === undefined) throw new Error(`no recording ${scenario}`);
  return answerOf(found);
}
const bodyOf = (scenario: string): unknown => JSON.parse(recorded(scenario).body);
