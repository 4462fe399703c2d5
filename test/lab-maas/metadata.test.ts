// The metadata service as a booting machine sees it, against what the real one answered (maas.md §11). The facts stand here;
// where ../shared is, each recorded exchange is replayed too.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { ok } from '../../shared/result.ts';
import type { MachineDriver } from '../lab/machine-driver.ts';
import { metadataAuthorization } from '../lab/metadata-client.ts';
import { startTestLab, type TestLab } from './lab-client.ts';

const M0 = 'm00000';
const USER_DATA = "#cloud-config\nruncmd:\n  - [sh, -c, 'echo hello-from-real-maas > /root/hello']\n";

/** Hardware that is on and asks for nothing: the test plays cloud-init. */
const silent: MachineDriver = {
  name: 'silent',
  powerOn: () => Promise.resolve(ok(undefined)),
  powerOff: () => Promise.resolve(ok(undefined)),
  status: () => Promise.resolve('on'),
  close: () => Promise.resolve(),
};

let lab: TestLab;
beforeEach(async () => {
  lab = await startTestLab({ driver: silent });
  await lab.post(`machines/${M0}/?op=deploy`, { user_data: Buffer.from(USER_DATA).toString('base64') });
});
afterEach(() => lab.close());

const oauthOf = (systemId: string) => {
  const oauth = lab.region.machines.get(systemId)?.metadataOauth;
  if (!oauth) throw new Error(`no machine ${systemId}`);
  return oauth;
};

async function ask(path: string, authorization: string | null, body?: string) {
  const response = await fetch(`${lab.url}/metadata/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: authorization === null ? {} : { Authorization: authorization },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
}

const asMachine = (path: string, body?: string) => ask(path, metadataAuthorization(oauthOf(M0)), body);

test.each([
  ['', 'text/plain', '2012-03-01\nlatest'],
  ['2012-03-01/', 'text/plain', 'maas-commissioning-scripts\nmeta-data\nuser-data'],
  ['2012-03-01/meta-data/', 'text/plain', 'instance-id\nlocal-hostname\nvendor-data\nx509'],
  ['2012-03-01/meta-data/instance-id', 'text/plain', M0],
  ['2012-03-01/meta-data/local-hostname', 'text/plain', 'node-1.maas'],
  ['2012-03-01/meta-data/public-keys', 'text/plain', ''],
  ['2012-03-01/user-data', 'application/octet-stream', USER_DATA],
  ['latest/user-data', 'application/octet-stream', USER_DATA],
])('GET %s', async (path, type, text) => {
  expect(await asMachine(path)).toEqual({ status: 200, type, text });
});

test('unknown words are 404 texts', async () => {
  expect(await asMachine('2012-03-01/meta-data/nosuch')).toMatchObject({
    status: 404,
    text: 'Unknown metadata attribute: nosuch',
  });
  expect(await asMachine('2030-01-01/meta-data/')).toMatchObject({
    status: 404,
    text: 'Unknown metadata version: 2030-01-01',
  });
});

test('only the machine’s own fetch of its user-data makes it Deployed', async () => {
  await asMachine('2012-03-01/meta-data/instance-id');
  await ask('2012-03-01/user-data', null);
  await ask('2012-03-01/user-data', metadataAuthorization(oauthOf('m00001')));
  expect(await lab.statusOf(M0)).toBe('Deploying');
  await asMachine('2012-03-01/user-data');
  expect(await lab.statusOf(M0)).toBe('Deployed');
});

test('user-data that is not base64 is served as it was given', async () => {
  await lab.post('machines/m00001/?op=deploy', { user_data: '###not base64###' });
  expect((await ask('2012-03-01/user-data', metadataAuthorization(oauthOf('m00001')))).text).toBe('###not base64###');
});

test('without a token: 401, but the enlistment script and the preseed with the token are shown to anyone', async () => {
  expect(await ask('', null)).toMatchObject({ status: 401, text: 'Forbidden' });
  expect((await ask('2012-03-01/user-data', null)).text).not.toContain('hello-from-real-maas');
  expect((await ask(`latest/by-id/${M0}/?op=get_preseed`, null)).text).toContain(oauthOf(M0).tokenSecret);
});

test('a wrong secret is answered with the right one, as the real MAAS does', async () => {
  const wrong = metadataAuthorization({ ...oauthOf(M0), tokenSecret: 'wrong' });
  expect(await ask('2012-03-01/user-data', wrong)).toMatchObject({ status: 401, type: 'text/html; charset=utf-8' });
  expect(
    (await ask('2012-03-01/user-data', metadataAuthorization({ ...oauthOf(M0), tokenSecret: 'wrong' }))).text,
  ).toContain(oauthOf(M0).tokenSecret);
});

test('the status webhook takes any JSON and changes no status', async () => {
  const report = { name: 'modules-final', event_type: 'finish', result: 'FAIL' };
  expect(await asMachine(`status/${M0}`, JSON.stringify(report))).toMatchObject({ status: 204, text: '' });
  expect(await asMachine('status/m00001', '{}')).toMatchObject({ status: 204 });
  expect(await asMachine(`status/${M0}`, '{not json')).toEqual({
    status: 400,
    type: 'text/html',
    text: 'Status payload is not valid JSON:\n{not json\n\n',
  });
  expect(lab.reports.map((one) => one.systemId)).toEqual([M0, 'm00001']);
  expect(await lab.statusOf(M0)).toBe('Deploying');
});

test('a released machine’s token is worth nothing', async () => {
  const old = oauthOf(M0);
  await lab.post(`machines/${M0}/?op=abort`);
  await lab.post(`machines/${M0}/?op=release`);
  await lab.reached(M0, 'Ready');
  expect((await ask('2012-03-01/meta-data/instance-id', metadataAuthorization(old))).status).toBe(401);
});

const RECORDED = fileURLToPath(new URL('../../../shared/maas/metadata/', import.meta.url));
const recordedSchema = z.object({
  request: z.object({
    method: z.string(),
    path: z.string(),
    headers: z.record(z.string(), z.string()),
    body: z.string().nullable(),
  }),
  response: z.object({ status: z.number(), content_type: z.string().nullable(), body: z.string() }),
});
/** Long texts that the lab shortens: only status and type are compared. */
const SHORTENED = /by-id|vendor-data|user-data$/;

test.skipIf(!existsSync(RECORDED))(
  'every recorded exchange agrees in status, type and, but for long texts, words',
  async () => {
    for (const file of readdirSync(RECORDED).sort()) {
      const { request, response } = recordedSchema.parse(JSON.parse(readFileSync(`${RECORDED}${file}`, 'utf8')));
      const oauth = oauthOf(M0);
      const given = request.headers.Authorization;
      const signature = given?.includes('%26wrong') ? { ...oauth, tokenSecret: 'wrong' } : oauth;
      const path = request.path.replace('/MAAS/metadata/', '').replace('a66h78', M0).replace('npb4fm', 'm00001');
      const got = await ask(
        path,
        given === undefined ? null : metadataAuthorization(signature),
        request.body ?? undefined,
      );
      expect({ file, status: got.status, type: got.type }).toEqual({
        file,
        status: response.status,
        type: response.content_type,
      });
      const expected = response.body
        .replace('a66h78', M0)
        .replace('i1.maas', 'node-1.maas')
        .replace('<node-token-secret>', oauth.tokenSecret);
      if (!SHORTENED.test(path)) expect({ file, text: got.text }).toEqual({ file, text: expected });
    }
  },
);
