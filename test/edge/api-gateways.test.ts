import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { GatewayCreated, PairingCodeMade } from '../../functions/api/gateways.ts';
import { pageOf } from '../../functions/api/page.ts';
import { gatewayOf } from '../../functions/env.ts';
import { openCatalogue } from '../../functions/store/catalogue.ts';
import { setPairingCode } from '../../functions/store/gateways.ts';
import { GatewayView } from '../../shared/gateway-view.ts';
import type { Scope } from '../../shared/ids.ts';
import { PAIRING_CODE_MS } from '../../shared/limits.ts';
import { readPairingCode } from '../../shared/pairing.ts';
import { connectGateway, pairByApi } from './api-gateway.ts';
import { answerOf, callApi, makeOtherTenant, problemOf, setUp } from './call-api.ts';
import { makeKeys, pairingRequest, sha256 } from './fake-relay.ts';

const GatewayPage = pageOf(GatewayView);
let admin: string;
let scope: Scope;

const create = (name: string, key = admin) =>
  answerOf(callApi('POST', '/v1/gateways', { key, json: { name } }), 201, GatewayCreated);
const get = (id: string) => answerOf(callApi('GET', `/v1/gateways/${id}`, { key: admin }), 200, GatewayView);

beforeAll(async () => {
  ({ key: admin, scope } = await setUp());
});

describe('a gateway', () => {
  test('is made with a code that is shown once and kept as a hash', async () => {
    expect(await answerOf(callApi('GET', '/v1/gateways', { key: admin }), 200, GatewayPage)).toEqual({
      items: [],
      nextCursor: null,
    });
    const response = await callApi('POST', '/v1/gateways', { key: admin, json: { name: 'edge-1' } });
    const made = await answerOf(Promise.resolve(response), 201, GatewayCreated);
    expect(response.headers.get('location')).toBe(`/v1/gateways/${made.id}`);
    expect(readPairingCode(made.pairingCode)).not.toBeNull();
    expect(made.pairingCodeExpiresAt - Date.now()).toBeGreaterThan(PAIRING_CODE_MS - 60_000);
    expect(made).toMatchObject({ name: 'edge-1', type: 'maas', phase: 'unpaired', sealingKey: null });
    const { results } = await env.CATALOGUE.prepare('select * from gateways').all();
    expect(JSON.stringify(results)).not.toContain(made.pairingCode);
    expect(await (await callApi('GET', `/v1/gateways/${made.id}`, { key: admin })).text()).not.toContain('pcg1_');
  });

  test('has a name of its own in its project', async () => {
    await create('twice');
    await problemOf(callApi('POST', '/v1/gateways', { key: admin, json: { name: 'twice' } }), 'GATEWAY_NAME_TAKEN');
    const other = await makeOtherTenant();
    await create('twice', other.key);
  });

  test('of another tenant is not there', async () => {
    const { id } = await create('ours');
    const { key } = await makeOtherTenant();
    await problemOf(callApi('GET', `/v1/gateways/${id}`, { key }), 'NOT_FOUND');
    await problemOf(callApi('DELETE', `/v1/gateways/${id}`, { key }), 'NOT_FOUND');
    await problemOf(callApi('POST', `/v1/gateways/${id}/pairing-code`, { key }), 'NOT_FOUND');
    expect((await get(id)).phase).toBe('unpaired');
  });

  test('is deleted with its name and its code', async () => {
    const made = await create('short-lived');
    expect((await callApi('DELETE', `/v1/gateways/${made.id}`, { key: admin })).status).toBe(204);
    await problemOf(callApi('GET', `/v1/gateways/${made.id}`, { key: admin }), 'NOT_FOUND');
    const json = { codeHash: await sha256(made.pairingCode) };
    await problemOf(callApi('POST', '/v1/pairing/challenge', { json }), 'PAIRING_CODE_UNKNOWN');
    await create('short-lived');
  });

  test('that is connected loses its tunnel when it is deleted', async () => {
    const { node, relay } = await connectGateway(admin, 'revoked');
    expect((await get(node.gatewayId)).phase).toBe('connected');
    expect((await callApi('DELETE', `/v1/gateways/${node.gatewayId}`, { key: admin })).status).toBe(204);
    expect(await relay.closing()).toBe(4003);
  });
});

describe('pairing', () => {
  test('turns a relay into the gateway’s node', async () => {
    const made = await create('pairs');
    const keys = await makeKeys();
    const paired = await pairByApi(made.pairingCode, keys);
    expect(paired).toMatchObject({ gatewayId: made.id, gatewayName: 'pairs' });
    expect(await get(made.id)).toMatchObject({ phase: 'disconnected', sealingKey: keys.sealingKey });
    await expect(pairByApi(made.pairingCode, await makeKeys())).rejects.toThrow(/PAIRING_CODE_USED/);
  });

  test('refuses an unknown code and a proof that does not fit', async () => {
    const headers = { 'cf-connecting-ip': '192.0.2.9' };
    const unknown = { codeHash: await sha256('pcg1_none') };
    await problemOf(callApi('POST', '/v1/pairing/challenge', { json: unknown, headers }), 'PAIRING_CODE_UNKNOWN');
    const codeHash = await sha256((await create('proof')).pairingCode);
    const json = await pairingRequest(await makeKeys(), codeHash, 'a-nonce-nobody-gave');
    await problemOf(callApi('POST', '/v1/pairing', { json, headers }), 'PAIRING_PROOF_INVALID');
  });

  test('a renewed code takes the place of the earlier one', async () => {
    const made = await create('renewed');
    const renewed = await answerOf(
      callApi('POST', `/v1/gateways/${made.id}/pairing-code`, { key: admin }),
      201,
      PairingCodeMade,
    );
    expect(renewed.pairingCode).not.toBe(made.pairingCode);
    await expect(pairByApi(made.pairingCode, await makeKeys())).rejects.toThrow(/PAIRING_CODE_UNKNOWN/);
    expect((await pairByApi(renewed.pairingCode, await makeKeys())).gatewayId).toBe(made.id);
  });

  test('a code past its day is refused by that name', async () => {
    const made = await create('late');
    const codeHash = await sha256('an older code');
    await gatewayOf(env, scope, made.id).renewPairingCode(codeHash, Date.now() - 1);
    await setPairingCode(openCatalogue(env.CATALOGUE), scope, made.id, codeHash);
    await expect(pairByApi('an older code', await makeKeys())).rejects.toThrow(/PAIRING_CODE_EXPIRED/);
  });

  test('is limited to 10 tries per address and minute', async () => {
    const headers = { 'cf-connecting-ip': '192.0.2.10' };
    const json = { codeHash: await sha256('guess') };
    const tries = Array.from({ length: 14 }, () => callApi('POST', '/v1/pairing/challenge', { json, headers }));
    const statuses = (await Promise.all(tries)).map((response) => response.status);
    // A minute may begin between two of them, but no more than once.
    const limited = statuses.filter((status) => status === 429).length;
    expect(statuses.filter((status) => status === 404).length + limited).toBe(14);
    if (limited === 0) await problemOf(callApi('POST', '/v1/pairing/challenge', { json, headers }), 'RATE_LIMITED');
  });
});

test('a list of 120 is read page by page, each once, while rows come and go', async () => {
  const { key } = await makeOtherTenant();
  const ids = new Set<string>();
  for (let at = 0; at < 120; at += 20) {
    const names = Array.from({ length: 20 }, (_, one) => `paged-${at + one}`);
    for (const made of await Promise.all(names.map((name) => create(name, key)))) ids.add(made.id);
  }
  const read: string[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `&cursor=${cursor}`;
    const asked = callApi('GET', `/v1/gateways?limit=25${query}`, { key });
    const page: z.infer<typeof GatewayPage> = await answerOf(asked, 200, GatewayPage);
    expect(page.items.length).toBeLessThanOrEqual(25);
    read.push(...page.items.map((gateway) => gateway.id));
    cursor = page.nextCursor;
    if (read.length === 25) {
      await create('came-meanwhile', key);
      await callApi('DELETE', `/v1/gateways/${read[0]}`, { key });
    }
  } while (cursor !== null);
  expect(read).toHaveLength(120);
  expect(new Set(read)).toEqual(ids);
}, 20_000);
