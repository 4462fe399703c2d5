// Whether one answer can be right, the same at a prompt, on the command line and in pcg.yaml. Nothing is asked of anybody here.
import { isIP } from 'node:net';
import { ApiKey } from '../../shared/api-key.ts';
import { GatewayName } from '../../shared/gateway-view.ts';
import { type PairingCode, readPairingCode } from '../../shared/pairing.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { isLoopback } from '../config.ts';
import { parseApiKey } from '../maas/api-key.ts';
import { normaliseEndpoint } from '../maas/endpoint.ts';
import { type InstallCode, type Refusal, refusal } from './install-problem.ts';

type Read<T> = Result<T, Refusal>;
const refuse = (code: InstallCode, detail: string): Result<never, Refusal> => err(refusal(code, detail));

/** The origin: https, or http on loopback; slashes at the end are forgiven. */
export function readConsole(text: string): Read<string> {
  const trimmed = text.trim();
  const url = URL.canParse(trimmed) ? new URL(trimmed) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) return refuse('CONSOLE_INVALID', 'is not a URL');
  if (!/^\/*$/.test(url.pathname) || url.search !== '' || url.hash !== '' || url.username !== '')
    return refuse('CONSOLE_INVALID', 'must be an origin only: no path, query or user');
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    return refuse('CONSOLE_INVALID', 'must be https: plain http is taken for loopback only');
  return ok(url.origin);
}

export function readCode(text: string): Read<PairingCode> {
  const read = readPairingCode(text);
  return read === null ? refuse('PAIRING_CODE_MISTYPED', 'is mistyped or cut') : ok(read.code);
}

export function readConsoleKey(text: string): Read<ApiKey> {
  const key = ApiKey.safeParse(text.trim());
  return key.success ? ok(key.data) : refuse('API_KEY_MISTYPED', 'is mistyped or cut');
}

/** The text is not quoted in the refusal: it may hold a password. */
export function readProxy(text: string): Read<string> {
  const trimmed = text.trim();
  const url = URL.canParse(trimmed) ? new URL(trimmed) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '')
    return refuse('PROXY_INVALID', 'is not an http or https URL');
  if (url.pathname !== '/' || url.search !== '') return refuse('PROXY_INVALID', 'must end after host and port');
  return ok(trimmed.replace(/\/$/, ''));
}

/** A gateway's nodes reach the world by both or by neither. */
export function checkProxyPair(https: string | null, http: string | null): Refusal | null {
  if ((https === null) === (http === null)) return null;
  const [given, missing] = https === null ? ['HTTP', 'HTTPS'] : ['HTTPS', 'HTTP'];
  return refusal('PROXY_PAIR_REQUIRED', `an ${given} proxy is given and no ${missing} proxy`);
}

export function readNoProxy(text: string): Read<string[]> {
  const items = text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  const wrong = items.filter((item) => !isNoProxyItem(item));
  return wrong.length === 0
    ? ok(items)
    : refuse('NO_PROXY_INVALID', `${wrong.join(', ')}: neither network, address, host nor .domain`);
}

const HOST = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

function isNoProxyItem(item: string): boolean {
  if (item === '*') return true;
  const [network = '', bits, ...rest] = item.split('/');
  if (bits !== undefined) {
    const family = isIP(network);
    return rest.length === 0 && family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
  }
  if (isIP(item) !== 0) return true;
  const name = item.replace(/^\./, '').replace(/:\d{1,5}$/, '');
  // All digits and dots, and no address: a mistyped one.
  return HOST.test(name) && !/^[\d.]+$/.test(name);
}

/** Like http://host:5240/MAAS, whatever part of its URL was pasted. */
export function readMaasEndpoint(text: string): Read<string> {
  const endpoint = normaliseEndpoint(text);
  return endpoint.ok ? endpoint : refuse('MAAS_ENDPOINT_INVALID', endpoint.error.detail);
}

/** Says which of its three parts is missing. */
export function readMaasKey(text: string): Read<string> {
  const key = parseApiKey(text);
  return key.ok ? ok(text.trim()) : refuse('MAAS_KEY_FORMAT', key.error.detail);
}

export function readName(text: string): Read<string> {
  const name = GatewayName.safeParse(text.trim());
  return name.success ? ok(name.data) : refuse('GATEWAY_NAME_INVALID', name.error.issues[0]?.message ?? 'is no name');
}
