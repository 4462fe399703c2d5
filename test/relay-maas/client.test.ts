import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { parseApiKey } from '../../relay/maas/api-key.ts';
import { normaliseEndpoint } from '../../relay/maas/endpoint.ts';
import { createRequestGate } from '../../relay/maas/request-gate.ts';
import { signRequest } from '../../relay/maas/sign-request.ts';
import { API_KEY, CONSUMER, fails, NOW_MS, numbers, SECRET, says, scriptedMaas, TOKEN } from './scripted-maas.ts';

describe('the endpoint', () => {
  test.each([
    ['http://maas:5240', 'http://maas:5240/MAAS'],
    ['http://maas:5240/', 'http://maas:5240/MAAS'],
    [' https://maas.example/MAAS/ ', 'https://maas.example/MAAS'],
    ['http://10.0.0.2:5240/MAAS/api/2.0/', 'http://10.0.0.2:5240/MAAS'],
    ['https://proxy.example//site-a//MAAS/api', 'https://proxy.example/site-a/MAAS'],
  ])('%s', (given, wanted) => {
    expect(normaliseEndpoint(given)).toEqual({ ok: true, value: wanted });
  });
  test.each(['', 'maas:5240', 'ftp://maas/MAAS', 'http://admin:pw@maas/MAAS', 'http://maas/MAAS?x=1'])(
    'refuses %s',
    (given) => {
      expect(normaliseEndpoint(given)).toMatchObject({
        error: { code: 'MAAS_REFUSED', fields: { endpoint: [expect.any(String)] } },
      });
    },
  );
});

describe('the API key', () => {
  test('has three parts', () => {
    expect(parseApiKey(` ${API_KEY}\n`)).toEqual({
      ok: true,
      value: { consumer: CONSUMER, token: TOKEN, secret: SECRET },
    });
  });
  test.each([
    ['', 'first part'],
    [`${CONSUMER}:${TOKEN}`, 'third part'],
    [`${CONSUMER}::${SECRET}`, 'second part'],
    [`:${TOKEN}:${SECRET}`, 'first part'],
    [`${API_KEY}:more`, 'more than three'],
    [`${CONSUMER}:${TOKEN}:a b`, 'blanks'],
  ])('%s: names what is wrong and quotes nothing', (key, named) => {
    const parsed = parseApiKey(key);
    expect(parsed.ok ? '' : parsed.error.detail).toContain(named);
    for (const part of [CONSUMER, TOKEN, SECRET]) expect(JSON.stringify(parsed)).not.toContain(part);
  });
});

describe('the signature', () => {
  const key = { consumer: 'CK', token: 'TK', secret: 'TS' };
  test('is what MAAS takes: PLAINTEXT, empty consumer secret, seconds', () => {
    const header = signRequest(
      key,
      { method: 'POST', url: 'http://maas/MAAS/api/2.0/machines/?op=allocate' },
      NOW_MS,
      numbers(),
    );
    expect(header).toMatch(/^OAuth /);
    const parts = Object.fromEntries([...header.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
    expect(parts).toMatchObject({
      oauth_consumer_key: 'CK',
      oauth_token: 'TK',
      oauth_signature_method: 'PLAINTEXT',
      oauth_signature: '%26TS',
      oauth_timestamp: String(NOW_MS / 1000),
      oauth_version: '1.0',
    });
    expect(parts.oauth_nonce).toMatch(/^[a-z0-9]{26}$/);
  });
  test('has a new nonce each time: MAAS answers a used one with 401', async () => {
    const { maas, asked } = scriptedMaas(() => says(200, []));
    for (let call = 0; call < 50; call += 1) await maas.get({ operation: 'x', path: 'zones/', answer: z.unknown() });
    const nonces = asked.map(({ request }) => /oauth_nonce="(\w+)"/.exec(request.headers.authorization ?? '')?.[1]);
    expect(new Set(nonces).size).toBe(50);
  });
});

describe('a call', () => {
  test('puts the operation in the query and every parameter in a form body', async () => {
    const { maas, asked } = scriptedMaas(() => says(200, 'null'));
    await maas.post({
      operation: 'x',
      path: 'machines/',
      op: 'allocate',
      form: [
        ['a', 'b+c d&é'],
        ['a', '2'],
      ],
      answer: z.null(),
    });
    const call = asked[0];
    expect(call?.request.url).toBe('http://maas.test:5240/MAAS/api/2.0/machines/?op=allocate');
    expect(call?.request.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(call?.form.getAll('a')).toEqual(['b+c d&é', '2']);
    expect(call?.request.timeoutMs).toBe(30_000);
  });

  test('without authentication carries no key', async () => {
    const { maas, asked } = scriptedMaas(() => says(200, {}));
    await maas.get({ operation: 'version.read', path: 'version/', answer: z.unknown(), anonymous: true });
    expect(asked[0]?.request.headers).toEqual({ accept: 'application/json' });
  });

  test('that gets a page with status 200 is broken as a read, open as a change', async () => {
    const { maas } = scriptedMaas(() => says(200, '<html>Welcome</html>'));
    const read = await maas.get({ operation: 'x', path: 'zones/', answer: z.array(z.string()) });
    const change = await maas.post({ operation: 'x', path: 'zones/', op: 'y', form: [], answer: z.array(z.string()) });
    expect([read, change]).toMatchObject([
      { error: { code: 'MAAS_BROKEN' } },
      { error: { code: 'MAAS_UNKNOWN_OUTCOME' } },
    ]);
  });

  test('never tells a part of the key, whatever MAAS or the network says', async () => {
    // Long enough that a text cut to any length up to the contract's would be cut inside a secret.
    const leaks = `${CONSUMER} ${TOKEN} ${SECRET}`.repeat(40);
    const scripts = [
      ...[400, 401, 403, 404, 409, 500, 503].map((status) => () => says(status, leaks)),
      () => says(400, { [SECRET]: [TOKEN] }),
      () => says(500, `<html><title>${SECRET}</title>`),
      () => says(200, `{"${SECRET}":`),
      () => fails('MAYBE_SENT', leaks),
      () => fails('NEVER_SENT', leaks),
    ];
    for (const script of scripts) {
      const { maas } = scriptedMaas(script);
      const answer = z.array(z.string());
      const told = JSON.stringify([
        await maas.get({ operation: 'x', path: 'zones/', answer }),
        await maas.post({ operation: 'x', path: 'zones/', op: 'y', form: [], answer }),
      ]);
      for (const part of [CONSUMER, TOKEN, SECRET]) expect(told).not.toContain(part.slice(0, 6));
    }
  });

  test('asks once whose key it is, but again after a failure', async () => {
    let asked = 0;
    const { maas } = scriptedMaas(
      () => {
        asked += 1;
        return asked === 1 ? fails('NEVER_SENT') : says(200, { username: 'alice', is_superuser: true });
      },
      { whoami: null },
    );
    expect((await maas.user()).ok).toBe(false);
    expect(await maas.user()).toEqual({ ok: true, value: { username: 'alice', is_superuser: true } });
    await maas.user();
    expect(asked).toBe(2);
  });
});

describe("the region's gate", () => {
  const pending = () => {
    let resolve = (): void => {};
    const promise = new Promise<void>((settle) => {
      resolve = settle;
    });
    return { promise, resolve };
  };

  test('lets four in at a time, in order', async () => {
    const gate = createRequestGate(() => 0);
    const works = Array.from({ length: 6 }, pending);
    const started: number[] = [];
    const runs = works.map((work, at) =>
      gate.run(async () => {
        started.push(at);
        await work.promise;
      }),
    );
    await Promise.resolve();
    expect(started).toEqual([0, 1, 2, 3]);
    works[2]?.resolve();
    await runs[2];
    expect(started).toEqual([0, 1, 2, 3, 4]);
    for (const work of works) work.resolve();
    expect((await Promise.all(runs)).every((run) => run.ok)).toBe(true);
    expect(started).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('counts the wait into the 30 s of the call', async () => {
    let now = 0;
    const gate = createRequestGate(() => now);
    const first = pending();
    const running = Array.from({ length: 4 }, () => gate.run(() => first.promise));
    const { maas, asked } = scriptedMaas(() => says(200, 'null'), { gateOf: () => gate });
    const waiting = maas.get({ operation: 'x', path: 'zones/', answer: z.null() });
    now = 12_000;
    first.resolve();
    await Promise.all([...running, waiting]);
    expect(asked[0]?.request.timeoutMs).toBe(18_000);
  });

  test('gives the place back when the work throws', async () => {
    const gate = createRequestGate(() => 0);
    for (let at = 0; at < 5; at += 1)
      await expect(gate.run(() => Promise.reject(new Error('bug')))).rejects.toThrow('bug');
    expect(await gate.run(async () => 1)).toEqual({ ok: true, value: 1 });
  });

  test('refuses when the queue is full, and work that waited too long', async () => {
    let now = 0;
    const gate = createRequestGate(() => now);
    const first = pending();
    const running = Array.from({ length: 4 }, () => gate.run(() => first.promise));
    let done = 0;
    const waiting = Array.from({ length: 256 }, () =>
      gate.run(async () => {
        done += 1;
      }),
    );
    expect(await gate.run(async () => {})).toEqual({ ok: false, error: 'queue-full' });
    now = 15_001;
    first.resolve();
    await Promise.all(running);
    expect(new Set((await Promise.all(waiting)).map((run) => (run.ok ? 'ran' : run.error)))).toEqual(
      new Set(['waited-too-long']),
    );
    expect(done).toBe(0);
    expect((await gate.run(async () => {})).ok).toBe(true);
  });
});
