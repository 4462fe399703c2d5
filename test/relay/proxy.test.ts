// The tunnel through an HTTP proxy by CONNECT: chosen by HTTPS_PROXY, HTTP_PROXY and NO_PROXY, with credentials.
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { proxyFor } from '../../relay/adapters/proxy.ts';
import { issueWithNewKey, makeAuthority } from '../../relay/bootstrap/certificate-authority.ts';
import { type FakeEdge, startFakeEdge } from '../support/fake-edge.ts';
import { relayFolder } from './relay-folder.ts';

let edge: FakeEdge;
let proxy: Awaited<ReturnType<typeof startProxy>>;
let relay: Awaited<ReturnType<typeof relayFolder>>;

beforeEach(async () => {
  edge = await startFakeEdge();
  proxy = await startProxy('relay', 'p@ss');
  relay = await relayFolder({ SLIPWAY_CONSOLE: edge.origin });
});
afterEach(async () => {
  await relay.remove();
  await edge.stop();
  await proxy.stop();
});

test('[T1, T8] pairs and dials through the proxy with its credentials, and again when the proxy cuts', async () => {
  const through = { HTTP_PROXY: `http://relay:p%40ss@127.0.0.1:${proxy.port}` };
  expect(await relay.command(['pair'], edge.code, through)).toMatchObject({ status: 0 });
  const running = relay.start(through);
  await edge.connected(1);
  proxy.cut();
  await edge.connected(2);
  const host = new URL(edge.origin).host;
  expect(new Set(proxy.asked)).toEqual(new Set([host]));
  expect(proxy.asked.length).toBeGreaterThanOrEqual(3);
  expect(JSON.stringify(running.lines)).not.toContain('p@ss');
});

test("[T1] over TLS it trusts the certificate behind the proxy by the site's own authority, and by nothing else", async () => {
  const year = { from: Date.now() - 60_000, until: Date.now() + 3_600_000 };
  const authority = await makeAuthority('site', year);
  const order = {
    subject: { commonName: 'localhost', organizations: [] },
    usage: 'server',
    dnsNames: ['localhost'],
  } as const;
  const { certPem, keyPem } = await issueWithNewKey(authority, { ...order, dnsNames: ['localhost'], validity: year });
  const secure = await startFakeEdge({ cert: certPem, key: keyPem });
  const caFile = join(await mkdtemp(join(tmpdir(), 'slipway-ca-')), 'ca.pem');
  await writeFile(caFile, authority.certPem);
  const through = { SLIPWAY_CONSOLE: secure.origin, HTTPS_PROXY: `http://relay:p%40ss@127.0.0.1:${proxy.port}` };
  const untrusted = await relay.command(['pair'], secure.code, through);
  expect([untrusted.status, untrusted.stderr]).toEqual([1, expect.stringContaining('certificate')]);
  const trusting = { ...through, SLIPWAY_CA_FILE: caFile };
  expect(await relay.command(['pair'], secure.code, trusting)).toMatchObject({ status: 0 });
  relay.start(trusting);
  await secure.connected(1);
  expect(new Set(proxy.asked)).toEqual(new Set([new URL(secure.origin).host]));
  await secure.stop();
  await rm(dirname(caFile), { recursive: true });
});

test('says that the proxy wants credentials, without telling them', async () => {
  expect(await relay.command(['pair'], edge.code)).toMatchObject({ status: 0 });
  const running = relay.start({ HTTP_PROXY: `http://relay:wrong@127.0.0.1:${proxy.port}` });
  const line = await running.logged('console-unreachable');
  expect(line.detail).toContain('407');
  expect(JSON.stringify(running.lines)).not.toContain('wrong');
});

test('goes past the proxy for what NO_PROXY names', async () => {
  expect(await relay.command(['pair'], edge.code)).toMatchObject({ status: 0 });
  relay.start({ HTTP_PROXY: `http://127.0.0.1:${proxy.port}`, NO_PROXY: 'example.org, 127.0.0.0/8' });
  await edge.connected(1);
  expect(proxy.asked).toEqual([]);
});

const SETTINGS = { https: 'http://secure:1', http: 'http://plain:1' };
test.for([
  ['wss://console.example/v1/tunnel', [], SETTINGS.https],
  ['http://console.example', [], SETTINGS.http],
  ['https://console.example', ['console.example'], null],
  ['https://console.example', ['.example'], null],
  ['https://console.example', ['*.example'], null],
  ['https://console.example', ['ole.example'], SETTINGS.https],
  ['https://console.example', ['*'], null],
  ['https://console.example:8443', ['console.example:443'], SETTINGS.https],
  ['https://console.example:8443', ['console.example:8443'], null],
  ['https://10.1.2.3', ['10.0.0.0/8'], null],
  ['https://11.1.2.3', ['10.0.0.0/8'], SETTINGS.https],
  ['https://[fd00::1]', ['fd00::/8'], null],
  ['https://[fd00::1]', ['fd00::1'], null],
  ['https://console.example', ['10.0.0.0/8'], SETTINGS.https],
] as const)('chooses for %s without %s: %s', ([url, no, expected]) => {
  expect(proxyFor(new URL(url), { ...SETTINGS, no: [...no] })).toBe(expected);
});

async function startProxy(user: string, password: string) {
  const expected = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const asked: string[] = [];
  const open = new Set<Socket>();
  const server: Server = createServer((_request, response) => response.writeHead(405).end());
  server.on('connect', (request, socket: Socket, head: Buffer) => {
    if (request.headers['proxy-authorization'] !== expected)
      return void socket.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
    asked.push(request.url ?? '');
    const [host = '', port = ''] = (request.url ?? '').split(':');
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    for (const each of [socket, upstream]) {
      open.add(each);
      each.on('error', () => each.destroy());
      each.on('close', () => open.delete(each));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on TCP
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    port,
    asked,
    cut,
    stop: async () => {
      cut();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
