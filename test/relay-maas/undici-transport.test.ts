// The real transport against real sockets on loopback: what was sent for sure not, perhaps, or answered.
import { webcrypto } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import 'reflect-metadata';
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { TlsTrust } from '../../relay/maas/tls-trust.ts';
import { createUndiciTransport, type TransportOptions } from '../../relay/maas/undici-transport.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(
    () =>
      new Promise((resolve) => {
        if ('closeAllConnections' in server) server.closeAllConnections();
        server.close(() => resolve());
      }),
  );
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen on a TCP port');
  return address.port;
}

function transport(options: Partial<TransportOptions> = {}) {
  const made = createUndiciTransport({ trust: { kind: 'system' }, proxyUrl: null, ...options });
  closing.push(made.close);
  return made.send;
}
const get = (url: string, timeoutMs = 5_000) => ({ method: 'GET', url, headers: { accept: 'x' }, timeoutMs }) as const;
const hello: RequestListener = (request, response) => {
  response.setHeader('Retry-After', '5');
  response.writeHead(409).end(`${request.method} ${request.url} héllo`);
};

describe('over plain HTTP', () => {
  test('an answer of any status is an answer', async () => {
    const port = await listening(createServer(hello));
    expect(await transport()(get(`http://127.0.0.1:${port}/MAAS/`))).toMatchObject({
      value: { status: 409, body: 'GET /MAAS/ héllo', headers: { 'retry-after': '5' } },
    });
  });
  test('a redirect is not followed', async () => {
    const port = await listening(createServer((_, response) => response.writeHead(302, { location: '/' }).end()));
    expect(await transport()(get(`http://127.0.0.1:${port}/x`))).toMatchObject({ value: { status: 302 } });
  });
  test('a refused connection and an unknown name were never sent', async () => {
    const server = createServer(hello);
    const port = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    expect(await transport()(get(`http://127.0.0.1:${port}/`))).toMatchObject({ error: { code: 'NEVER_SENT' } });
    expect(await transport()(get('http://maas.invalid/'))).toMatchObject({ error: { code: 'NEVER_SENT' } });
  });
  test('a cut after sending may have been done', async () => {
    let received = '';
    const port = await listening(
      createServer((request) => {
        request.on('data', (chunk: Buffer) => {
          received += chunk;
        });
        request.on('end', () => request.socket.destroy());
      }),
    );
    const cut = await transport()({
      method: 'POST',
      url: `http://127.0.0.1:${port}/`,
      headers: {},
      body: 'a=1',
      timeoutMs: 5_000,
    });
    expect(cut).toMatchObject({ error: { code: 'MAYBE_SENT' } });
    expect(received).toBe('a=1');
  });
  test('a cut inside the answer may have been done', async () => {
    const port = await listening(
      createServer((request, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('half', () => request.socket.destroy());
      }),
    );
    expect(await transport()(get(`http://127.0.0.1:${port}/`))).toMatchObject({ error: { code: 'MAYBE_SENT' } });
  });
  test('silence ends at the time-out, before and inside the answer', async () => {
    const port = await listening(
      createServer((request, response) => {
        if (request.url === '/half') response.writeHead(200).write('half');
      }),
    );
    for (const path of ['/none', '/half'])
      expect(await transport()(get(`http://127.0.0.1:${port}${path}`, 100))).toEqual({
        ok: false,
        error: { code: 'MAYBE_SENT', detail: 'no answer within 100 ms' },
      });
  });
  test('an answer beyond the bound is not read to its end', async () => {
    const port = await listening(
      createServer((_, response) => {
        const more = (): void => {
          while (response.write('x'.repeat(1_000)));
        };
        response.on('drain', more);
        more();
      }),
    );
    const sent = await transport({ answerBytesMax: 10_000 })(get(`http://127.0.0.1:${port}/`));
    expect(sent).toMatchObject({ error: { code: 'ANSWER_TOO_LARGE' } });
  });
  test('a change is sent once, even when the connection was kept and is found dead', async () => {
    let posts = 0;
    const port = await listening(
      createServer((request, response) => {
        if (request.method === 'GET') return void response.end('kept');
        posts += 1;
        request.socket.destroy();
      }),
    );
    const send = transport();
    await send(get(`http://127.0.0.1:${port}/`));
    const url = `http://127.0.0.1:${port}/`;
    expect(await send({ method: 'POST', url, headers: {}, body: 'a', timeoutMs: 5_000 })).toMatchObject({
      error: { code: 'MAYBE_SENT' },
    });
    expect(posts).toBe(1);
  });
});

describe('over TLS', () => {
  let pem = { cert: '', key: '' };
  let other = '';
  let fingerprint = '';
  beforeAll(async () => {
    const made = await selfSigned('127.0.0.1');
    pem = made;
    fingerprint = made.fingerprint;
    other = (await selfSigned('127.0.0.1')).cert;
  });
  const reach = async (trust: TlsTrust, proxyUrl: string | null = null) => {
    let requests = 0;
    const port = await listening(
      createTlsServer(pem, (_, response) => {
        requests += 1;
        response.end('hello');
      }),
    );
    return { answer: await transport({ trust, proxyUrl })(get(`https://127.0.0.1:${port}/`)), requests };
  };

  test('the pinned certificate is trusted, with or without colons', async () => {
    for (const sha256 of [fingerprint, fingerprint.replaceAll(':', '').toLowerCase()])
      expect((await reach({ kind: 'fingerprint', sha256 })).answer).toMatchObject({ value: { body: 'hello' } });
  });
  test('the bundle with its authority is trusted', async () => {
    expect((await reach({ kind: 'ca', pem: pem.cert })).answer).toMatchObject({ value: { body: 'hello' } });
  });
  test('every other certificate is refused before a byte is sent, and its fingerprint told', async () => {
    const trusts: TlsTrust[] = [
      { kind: 'system' },
      { kind: 'ca', pem: other },
      { kind: 'fingerprint', sha256: 'AB:CD' },
      { kind: 'fingerprint', sha256: '' },
    ];
    for (const trust of trusts)
      expect(await reach(trust)).toMatchObject({ answer: { error: { code: 'UNTRUSTED', fingerprint } }, requests: 0 });
  });
  test('a certificate for another host is refused, also at the second try', async () => {
    pem = await selfSigned('192.0.2.1');
    const port = await listening(createTlsServer(pem, (_, response) => response.end('hello')));
    const send = transport({ trust: { kind: 'ca', pem: pem.cert } });
    for (let attempt = 0; attempt < 2; attempt += 1)
      expect(await send(get(`https://127.0.0.1:${port}/`))).toMatchObject({ error: { code: 'UNTRUSTED' } });
    const made = await selfSigned('127.0.0.1');
    pem = made;
    fingerprint = made.fingerprint;
  });
  test('a server that does not speak TLS was never sent anything', async () => {
    const port = await listening(createServer(hello));
    expect(await transport()(get(`https://127.0.0.1:${port}/`))).toMatchObject({ error: { code: 'NEVER_SENT' } });
  });

  test('through a proxy the certificate is judged the same', async () => {
    const tunnelled: string[] = [];
    const proxyUrl = `http://127.0.0.1:${await connectProxy((target) => tunnelled.push(target))}`;
    expect((await reach({ kind: 'fingerprint', sha256: fingerprint }, proxyUrl)).answer).toMatchObject({
      value: { body: 'hello' },
    });
    expect((await reach({ kind: 'ca', pem: pem.cert }, proxyUrl)).answer).toMatchObject({ value: { body: 'hello' } });
    expect(await reach({ kind: 'system' }, proxyUrl)).toMatchObject({
      answer: { error: { code: 'UNTRUSTED', fingerprint } },
      requests: 0,
    });
    expect(tunnelled).toHaveLength(3);
  });
  test('a proxy that denies the tunnel was never sent the request', async () => {
    const denying = createServer();
    denying.on('connect', (_, socket) => socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'));
    const proxyUrl = `http://127.0.0.1:${await listening(denying)}`;
    expect((await reach({ kind: 'system' }, proxyUrl)).answer).toMatchObject({ error: { code: 'NEVER_SENT' } });
  });
});

async function connectProxy(seen: (target: string) => void): Promise<number> {
  const proxy = createServer();
  proxy.on('connect', (request, socket) => {
    seen(request.url ?? '');
    const [host, port] = (request.url ?? '').split(':');
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  });
  return listening(proxy);
}

async function selfSigned(ip: string): Promise<{ cert: string; key: string; fingerprint: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=maas.test',
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 3_600_000),
      signingAlgorithm: algorithm,
      keys,
      extensions: [new SubjectAlternativeNameExtension([{ type: 'ip', value: ip }])],
    },
    webcrypto,
  );
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const digest = Buffer.from(await webcrypto.subtle.digest('SHA-256', certificate.rawData))
    .toString('hex')
    .toUpperCase();
  return {
    cert: certificate.toString('pem'),
    key: `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`,
    fingerprint: digest.replaceAll(/(..)(?=.)/g, '$1:'),
  };
}
