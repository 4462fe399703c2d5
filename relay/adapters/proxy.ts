// Which proxy a URL goes through, and the CONNECT that opens a way through it (features G3).
import { BlockList, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { Agent, Client, type Dispatcher, ProxyAgent } from 'undici';
import type { ProxySettings } from '../config.ts';

/** DNS, TCP and the proxy's answer together. */
const CONNECT_MS_MAX = 10_000;

/** The proxy for `target`; null goes directly. `no` holds host names, `.domains`, addresses, CIDRs, `host:port`, or `*`. */
export function proxyFor(target: URL, settings: ProxySettings): string | null {
  const proxy = target.protocol === 'https:' || target.protocol === 'wss:' ? settings.https : settings.http;
  if (proxy === null) return null;
  const host = target.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  return settings.no.some((entry) => excludes(entry, host, target.port)) ? null : proxy;
}

function excludes(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return inNetwork(entry, host);
  if (isIP(entry) === 6) return entry.toLowerCase() === host;
  const [, name = '', only] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
  if (only !== undefined && only !== port) return false;
  const bare = name.toLowerCase().replace(/^\*?\./, '');
  return host === bare || (isIP(host) === 0 && host.endsWith(`.${bare}`));
}

function inNetwork(cidr: string, host: string): boolean {
  const [network = '', bits = ''] = cidr.split('/');
  const family = isIP(network);
  if (family === 0 || isIP(host) !== family) return false;
  const list = new BlockList();
  const kind = family === 6 ? 'ipv6' : 'ipv4';
  list.addSubnet(network, Number(bits), kind);
  return list.check(host, kind);
}

/** The URL of a proxy without its credentials, for logs. */
export function withoutCredentials(proxy: string): string {
  const url = new URL(proxy);
  return `${url.protocol}//${url.host}`;
}

/** For one HTTP request to `target`, always by CONNECT, so that no proxy needs to read it. @param ca all authorities to trust */
export function dispatcherFor(target: string, settings: ProxySettings, ca: string[]): Dispatcher {
  const proxy = proxyFor(new URL(target), settings);
  return proxy === null
    ? new Agent({ connect: { ca } })
    : new ProxyAgent({ uri: proxy, proxyTunnel: true, requestTls: { ca }, proxyTls: { ca } });
}

/** A way through `proxy` to the host of `target`. Rejects with words for an operator; the credentials are never in them. */
export async function connectThrough(proxy: string, target: URL, ca: string[]): Promise<Duplex> {
  const url = new URL(proxy);
  const authority = `${target.hostname}:${portOf(target)}`;
  const client = new Client(`${url.protocol}//${url.host}`, { connect: { timeout: CONNECT_MS_MAX, ca } });
  const { socket, statusCode } = await client.connect({
    path: authority,
    headers: { host: authority, ...credentialsOf(url) },
    signal: AbortSignal.timeout(CONNECT_MS_MAX),
  });
  if (statusCode >= 200 && statusCode <= 299) return socket;
  socket.destroy();
  const hint = statusCode === 407 ? '; it wants a user and password, as http://user:password@host:port' : '';
  throw new Error(`the proxy ${withoutCredentials(proxy)} refused CONNECT with status ${statusCode}${hint}`);
}

const portOf = (target: URL): string =>
  target.port !== '' ? target.port : target.protocol === 'https:' || target.protocol === 'wss:' ? '443' : '80';

function credentialsOf({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const plain = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(plain).toString('base64')}` };
}
