import { env } from 'cloudflare:workers';
import { beforeAll, expect, test, vi } from 'vitest';
import { app } from '../../functions/api/app.ts';
import { GatewayCreated } from '../../functions/api/gateways.ts';
import { pageOf } from '../../functions/api/page.ts';
import { openCatalogue } from '../../functions/store/catalogue.ts';
import { addGateway } from '../../functions/store/gateways.ts';
import { gatewaysToTell, rankOf } from '../../functions/store/releases.ts';
import { sweep } from '../../functions/sweep.ts';
import { GatewayView } from '../../shared/gateway-view.ts';
import { GatewayId, type Scope } from '../../shared/ids.ts';
import { programPath, ReleaseView } from '../../shared/release.ts';
import { connectGateway, pairByApi } from './api-gateway.ts';
import { manifestOf, PROGRAM, post, publish, put, signText } from './api-releases.ts';
import { answerOf, callApi, problemOf, SETUP_SECRET, setUp } from './call-api.ts';
import { edgeEnv, makeKeys } from './fake-relay.ts';

const Page = pageOf(ReleaseView);
let admin: string;
let scope: Scope;
beforeAll(async () => {
  ({ key: admin, scope } = await setUp());
});

const viewOf = (id: string) => answerOf(callApi('GET', `/v1/gateways/${id}`, { key: admin }), 200, GatewayView);

test('a release is published once: the same again is 200, another text under the version is refused', async () => {
  const made = await publish('0.2.0');
  expect(made).toMatchObject({ version: '0.2.0', severity: 'high', programs: [{ platform: 'linux-x64' }] });
  const again = await answerOf(post(await signText(JSON.stringify(manifestOf('0.2.0')))), 200, ReleaseView);
  expect(again).toEqual(made);
  await problemOf(post(await signText(JSON.stringify(manifestOf('0.2.0', { severity: 'low' })))), 'RELEASE_EXISTS');
});

test('only who holds the deployment’s secret publishes, and only what the release key signed', async () => {
  await put('0.3.0');
  const signed = await signText(JSON.stringify(manifestOf('0.3.0')));
  await problemOf(post(signed, 'wrong'), 'SETUP_SECRET_WRONG');
  await problemOf(post(signed, admin), 'SETUP_SECRET_WRONG');
  await problemOf(post({ ...signed, manifest: `${signed.manifest} ` }), 'RELEASE_SIGNATURE_INVALID');
  await problemOf(post({ manifest: signed.manifest }), 'BODY_INVALID');
  await problemOf(post(await signText('{"v":1}')), 'RELEASE_MANIFEST_INVALID');
  await problemOf(post(await signText('no JSON')), 'RELEASE_MANIFEST_INVALID');
});

test('without a release key nothing is published', async () => {
  const request = new Request('https://slipway.test/v1/gateway-releases', {
    method: 'POST',
    headers: { authorization: `Bearer ${SETUP_SECRET}`, 'content-type': 'application/json' },
    body: JSON.stringify(await signText(JSON.stringify(manifestOf('0.4.0')))),
  });
  const { RELEASE_KEY: _, ...bare } = edgeEnv;
  await problemOf(Promise.resolve(app.fetch(request, bare)), 'RELEASES_NOT_CONFIGURED');
});

test('a program that is not stored, or in another size, keeps a release from being published', async () => {
  const signed = await signText(JSON.stringify(manifestOf('0.5.0')));
  expect((await problemOf(post(signed), 'RELEASE_PROGRAM_MISSING')).detail).toContain('relay/0.5.0/linux-x64');
  await put('0.5.0', 'linux-x64', `${PROGRAM}!`);
  expect((await problemOf(post(signed), 'RELEASE_PROGRAM_MISSING')).detail).toContain('has 12 bytes and not 11');
});

test('tries with a wrong secret are limited', async () => {
  const headers = { 'cf-connecting-ip': '198.18.0.1' };
  const ask = () => callApi('POST', '/v1/gateway-releases', { key: 'wrong', json: {}, headers });
  const json = await signText('{}');
  const wrong = () => callApi('POST', '/v1/gateway-releases', { key: 'wrong', json, headers });
  for (let n = 0; n < 10; n += 1) await problemOf(wrong(), 'SETUP_SECRET_WRONG');
  await problemOf(wrong(), 'RATE_LIMITED');
  await problemOf(ask(), 'BODY_INVALID');
});

test('releases are listed by version, the newest first, page by page', async () => {
  for (const version of ['0.10.0', '0.9.0', '1.0.0']) await publish(version);
  const read = (query: string) => answerOf(callApi('GET', `/v1/gateway-releases?${query}`, { key: admin }), 200, Page);
  const first = await read('limit=2');
  expect(first.items.map(({ version }) => version)).toEqual(['1.0.0', '0.10.0']);
  const second = await read(`limit=2&cursor=${first.nextCursor}`);
  expect(second.items.map(({ version }) => version)).toEqual(['0.9.0', '0.2.0']);
  expect(second.nextCursor).toBeNull();
  await problemOf(callApi('GET', '/v1/gateway-releases?cursor=x', { key: admin }), 'CURSOR_INVALID');
});

test('a program of a published release is served whole, with its length, to be kept for ever', async () => {
  await publish('1.1.0');
  const response = await callApi('GET', programPath('1.1.0', 'linux-x64'));
  expect(response.status).toBe(200);
  expect(response.headers.get('content-length')).toBe(String(PROGRAM.length));
  expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  expect(response.headers.get('content-type')).toBe('application/octet-stream');
  expect(new TextDecoder().decode(await response.arrayBuffer())).toBe(PROGRAM);
});

test('what is stored and not published, or not of the release, is not served', async () => {
  await put('1.2.0');
  await problemOf(callApi('GET', programPath('1.2.0', 'linux-x64')), 'RELEASE_UNKNOWN');
  await publish('1.3.0');
  await put('1.3.0', 'linux-arm64');
  await problemOf(callApi('GET', programPath('1.3.0', 'linux-arm64')), 'RELEASE_UNKNOWN');
  await problemOf(callApi('GET', '/v1/relay-programs/1.3.0/windows'), 'NOT_FOUND');
  await problemOf(callApi('GET', '/v1/relay-programs/latest/linux-x64'), 'NOT_FOUND');
});

test('[UP8] gateways are told at the publishing, new ones when they are made, and missed ones by the sweep', async () => {
  const old = await connectGateway(admin, 'told');
  await publish('2.0.0');
  expect((await viewOf(old.node.gatewayId)).availableUpgrade).toMatchObject({ from: '0.1.0', to: '2.0.0' });
  const made = await answerOf(
    callApi('POST', '/v1/gateways', { key: admin, json: { name: 'later' } }),
    201,
    GatewayCreated,
  );
  const paired = await pairByApi(made.pairingCode, await makeKeys());
  expect(paired.releaseKey).toBe(env.RELEASE_KEY);
  expect((await viewOf(made.id)).availableUpgrade).toMatchObject({ to: '2.0.0' });
  const catalogue = openCatalogue(env.CATALOGUE);
  const lost = GatewayId.parse('gw_lost');
  await addGateway(catalogue, { scope, id: lost, name: 'lost', createdAt: 1 }, 'l'.repeat(43));
  const untold = async () => (await gatewaysToTell(catalogue, rankOf('2.0.0'), 0, 10)).map(({ id }) => id);
  expect(await untold()).toEqual([lost]);
  const logged = vi.spyOn(console, 'log');
  await sweep(edgeEnv);
  expect(logged.mock.calls.flat().join()).not.toContain('release-not-told');
  expect(await untold()).toEqual([]);
});
