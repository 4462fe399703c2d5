// The console, how the gateway joins it, and the proxies on the way.
import type { ProxySettings } from '../config.ts';
import {
  askOrTake,
  askSecret,
  by,
  checked,
  dereference,
  type Given,
  type Surroundings,
  sayRefusal,
  take,
  verdict,
} from './asking.ts';
import type { ConsoleFailure } from './console-api.ts';
import { hasPassword } from './pcg-file.ts';
import { PROMPTS } from './prompts.ts';
import { checkProxyPair, readCode, readConsole, readConsoleKey, readNoProxy, readProxy } from './read-answer.ts';
import { parseReference } from './secret.ts';

export type Joining = {
  readonly console: string;
  /** One of the two. */
  readonly pairingCode: Given | null;
  readonly apiKey: Given | null;
} & Proxies;
type Proxies = { readonly https: Given | null; readonly http: Given | null; readonly noProxy: readonly string[] };

/** Console, credential and proxies together, since only together can they be tried. */
export async function askConsole(world: Surroundings): Promise<Joining> {
  const { prompts } = world;
  let suggested = world.suggestedConsole;
  for (;;) {
    const typed = await prompts.text({
      message: PROMPTS.console,
      ...(suggested === '' ? {} : { initial: suggested }),
      check: by(readConsole),
    });
    const console = checked(readConsole(typed));
    suggested = console;
    const how = await prompts.choose({
      message: PROMPTS.joining,
      choices: [
        { value: 'code', name: 'with a pairing code', description: 'made in the console, under gateways' },
        { value: 'key', name: 'with an API key', description: 'used once to make the gateway, and not written' },
      ],
    });
    let apiKey = how === 'key' ? await askSecret(world, PROMPTS.apiKey, readConsoleKey) : null;
    const pairingCode = how === 'code' ? await askSecret(world, PROMPTS.pairingCode, readCode) : null;
    const proxies = await askProxies(world);
    const proxy = { https: proxies.https?.value ?? null, http: proxies.http?.value ?? null, no: [...proxies.noProxy] };
    const answered: Joining = { console, pairingCode, apiKey, ...proxies };
    const unreachable = await world.reachConsole(console, proxy);
    if (unreachable !== null) {
      prompts.say(sayRefusal(unreachable));
      const next = await prompts.choose({
        message: PROMPTS.unreachable,
        choices: [
          { value: 'again', name: 'answer again' },
          ...(apiKey === null ? [{ value: 'on', name: 'go on: it can be reached from where I will install' }] : []),
        ],
      });
      if (next === 'on') return answered;
      continue;
    }
    for (let refused = await tryKey(world, console, apiKey, proxy); refused !== null; ) {
      prompts.say(sayRefusal(refused));
      apiKey = await askSecret(world, PROMPTS.apiKey, readConsoleKey);
      refused = await tryKey(world, console, apiKey, proxy);
    }
    return { ...answered, apiKey };
  }
}

async function tryKey(
  world: Surroundings,
  console: string,
  apiKey: Given | null,
  proxy: ProxySettings,
): Promise<ConsoleFailure | null> {
  if (apiKey === null) return null;
  const asked = await world.consoleApi(console, apiKey.value, proxy).whoAmI();
  return asked.ok ? null : asked.error;
}

async function askProxies(world: Surroundings): Promise<Proxies> {
  const { prompts, flags } = world;
  for (let flagged = true; ; flagged = false) {
    const https = await askProxy(world, PROMPTS.httpsProxy, flagged ? flags['proxy.https'] : undefined);
    const http = await askProxy(world, PROMPTS.httpProxy, flagged ? flags['proxy.http'] : undefined);
    const half = checkProxyPair(https?.value ?? null, http?.value ?? null);
    if (half !== null) {
      prompts.say(sayRefusal(half));
      continue;
    }
    if (https === null) return { https, http, noProxy: flags['proxy.no'] ?? [] };
    const list = await askOrTake(prompts, PROMPTS.noProxy, flags['proxy.no']?.join(','), readNoProxy, '');
    return { https, http, noProxy: checked(readNoProxy(list)) };
  }
}

async function askProxy(world: Surroundings, message: string, flag: string | undefined): Promise<Given | null> {
  const check = async (typed: string): Promise<true | string> => {
    if (typed.trim() === '') return true;
    const value = await dereference(world, typed);
    return verdict(value.ok ? readProxy(value.value) : value);
  };
  if (flag !== undefined && (await take(world.prompts, message, flag, check))) return givenProxy(world, flag);
  return givenProxy(world, await world.prompts.text({ message, show: withoutPassword, check }));
}

async function givenProxy(world: Surroundings, text: string): Promise<Given | null> {
  const typed = text.trim();
  if (typed === '') return null;
  const value = checked(await dereference(world, typed));
  return { typed, value, secret: parseReference(typed) === null && hasPassword(value) };
}

/** While it is typed, all after `user:` may be a password; once done, only what stands before `@`. */
export function withoutPassword(typed: string, isFinal: boolean): string {
  const [, start = '', rest = ''] = /^(\w+:\/\/[^:/@]*:)(.+)$/.exec(typed) ?? [];
  const at = rest.lastIndexOf('@');
  if (at >= 0) return `${start}***${rest.slice(at)}`;
  return start === '' || isFinal || /^\d{1,5}\/?$/.test(rest) ? typed : `${start}***`;
}
