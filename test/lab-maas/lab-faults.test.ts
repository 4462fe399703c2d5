// Trouble on order, from the test's own process and through /lab/.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { startTestLab, type TestLab, waitUntil } from './lab-client.ts';

const M0 = 'm00000';
let lab: TestLab;
beforeEach(async () => {
  lab = await startTestLab();
});
afterEach(() => lab.close());

const control = (path: string, order: unknown, method = 'POST') =>
  fetch(`${lab.url.replace('/MAAS', '/lab')}/${path}`, {
    method,
    ...(method === 'POST' ? { body: JSON.stringify(order) } : {}),
  });

test('an ordered answer replaces the work, as often as asked', async () => {
  lab.faults.arm({
    kind: 'answer',
    match: { operation: 'allocate' },
    status: 503,
    body: 'busy',
    retryAfterSeconds: 10,
    times: 2,
  });
  for (const _ of [1, 2]) {
    expect(await lab.post('machines/?op=allocate', { system_id: M0 })).toMatchObject({
      status: 503,
      text: 'busy',
      retryAfter: '10',
    });
  }
  expect((await lab.post('machines/?op=allocate', { system_id: M0 })).status).toBe(200);
});

test('HTML from a proxy, for a time', async () => {
  lab.faults.arm({ kind: 'answer', status: 502, contentType: 'text/html', forMs: 1_500 });
  const reply = await lab.get('users/?op=whoami');
  expect(reply).toMatchObject({ status: 502, type: 'text/html' });
  expect(reply.text).toContain('502 Bad Gateway');
  await waitUntil(async () => (await lab.get('users/?op=whoami')).status === 200, 'the fault to end');
});

test('a delay holds the answer, not the work', async () => {
  lab.faults.arm({ kind: 'delay', delayMs: 80, times: 1 });
  const startMs = Date.now();
  expect((await lab.get('version/')).status).toBe(200);
  expect(Date.now() - startMs).toBeGreaterThanOrEqual(78);
});

test('a denied key is refused like a deleted one, until it is allowed again', async () => {
  lab.faults.denyKey(lab.userKey);
  expect(await lab.get('users/?op=whoami')).toMatchObject({
    status: 401,
    text: 'Authorization Error: Invalid API key.',
  });
  expect((await lab.get('version/')).status).toBe(200);
  lab.faults.allowKey(lab.userKey);
  expect((await lab.get('users/?op=whoami')).status).toBe(200);
});

test('faults can be armed and cleared over /lab/, and a wrong order is named', async () => {
  expect((await control('faults', { kind: 'answer', status: 500 })).status).toBe(204);
  expect((await lab.get('zones/')).status).toBe(500);
  expect((await control('faults', null, 'DELETE')).status).toBe(204);
  expect((await lab.get('zones/')).status).toBe(200);
  const wrong = await control('faults', { kind: 'explode' });
  expect(wrong.status).toBe(400);
  expect(await wrong.text()).toContain('kind');
});

test('without a rack a powered-on machine cannot be released: 503, and still Deployed', async () => {
  await lab.post(`machines/${M0}/?op=deploy`);
  await lab.reached(M0, 'Deployed');
  await control('rack', { connected: false });
  expect(await lab.post(`machines/${M0}/?op=release`)).toMatchObject({ status: 503, retryAfter: '10' });
  expect(await lab.statusOf(M0)).toBe('Deployed');
  await control('rack', { connected: true });
  expect((await lab.post(`machines/${M0}/?op=release`)).status).toBe(200);
});

test('what the lab does not model is a loud 501 that names it; what MAAS does not have is a 404', async () => {
  const reply = await lab.get('rackcontrollers/');
  expect(reply.status).toBe(501);
  expect(reply.text).toContain('rackcontrollers/');
  expect((await lab.post('machines/m00000/?op=commission')).status).toBe(501);
  expect((await lab.get('nosuch/')).status).toBe(404);
});

test('a virtual address and its name are counted as left over until released', async () => {
  expect((await lab.post('ipaddresses/?op=reserve', { ip: '127.10.100.1', hostname: 'api-1' })).status).toBe(200);
  expect(lab.leftovers('slipway')).toEqual({ machines: 0, addresses: 1, dnsRecords: 1 });
  expect((await lab.post('ipaddresses/?op=release', { ip: '127.10.100.1' })).status).toBe(204);
  expect(lab.leftovers('slipway')).toEqual({ machines: 0, addresses: 0, dnsRecords: 0 });
});
