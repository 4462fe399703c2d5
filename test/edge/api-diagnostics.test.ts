import { beforeAll, expect, test } from 'vitest';
import { AccountView, GatewayView } from '../../shared/gateway-view.ts';
import { GatewayDiagnosis, type NodeCheck } from '../../shared/node-check.ts';
import { type ApiGateway, accountOk, answerNext, connectGateway } from './api-gateway.ts';
import { answerOf, callApi, makeKey, problemOf, setUp } from './call-api.ts';

let admin: string;
let gateway: ApiGateway;

beforeAll(async () => {
  ({ key: admin } = await setUp());
  gateway = await connectGateway(admin, 'looks');
});

const path = () => `/v1/gateways/${gateway.node.gatewayId}`;
const look = (key = admin) => callApi('POST', `${path()}/diagnostics`, { key });

test('[N8] the relay looks around now, with the gateway’s accounts; its findings are the evidence of the conditions', async () => {
  const json = { name: 'maas', gatewayId: gateway.node.gatewayId, endpoint: 'http://maas.test/MAAS', apiKey: 'a:b:c' };
  const [account] = await Promise.all([
    answerOf(callApi('POST', '/v1/cloud-accounts', { key: admin, json }), 201, AccountView),
    answerNext(gateway, 'observe-account', accountOk),
  ]);
  const checks: NodeCheck[] = [
    { name: 'maas', status: 'failed', detail: 'http://maas.test/MAAS: refused', todo: 'Check the route.' },
    { name: 'dns', status: 'ok', detail: 'well', todo: '' },
  ];
  const [found, command] = await Promise.all([
    answerOf(look(), 200, GatewayDiagnosis),
    answerNext(gateway, 'observe-node', { ok: true, value: { verb: 'observe-node', checks } }),
  ]);
  expect(command.body).toMatchObject({ accounts: [{ accountId: account.id, sealedKey: { purpose: 'maas-key' } }] });
  expect(found.nodes).toMatchObject([
    {
      nodeId: gateway.node.nodeId,
      hostname: 'relay-1',
      leader: true,
      checks: [{ name: 'tunnel', status: 'ok' }, ...checks],
    },
  ]);
  const view = await answerOf(callApi('GET', path(), { key: admin }), 200, GatewayView);
  const of = (type: string) => view.conditions.find((one) => one.type === type);
  expect(of('MaasReachable')).toMatchObject({ status: 'False', message: expect.stringContaining('Check the route.') });
  expect(of('DnsResolves')).toMatchObject({ status: 'True', evidence: { detail: 'checks of relay-1' } });
  expect(of('DiskOk')).toMatchObject({ status: 'Unknown', reason: 'NothingToLookAt' });
});

test('[N8] without a connected relay it is refused; others than admins may not ask', async () => {
  const editor = await makeKey(admin, 'project-editor');
  await problemOf(look(editor.key), 'FORBIDDEN');
  gateway.relay.hangUp();
  await expect
    .poll(async () => (await answerOf(callApi('GET', path(), { key: admin }), 200, GatewayView)).phase)
    .toBe('disconnected');
  await problemOf(look(), 'GATEWAY_NOT_RUNNING');
});
