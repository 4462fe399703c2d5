// One call with JSON to the console, through the proxy if one is set. Used by pairing and by the installer; the tunnel carries
// all the rest.
import { type Dispatcher, request } from 'undici';
import { err, ok } from '../../shared/result.ts';
import type { ProxySettings } from '../config.ts';
import type { CallConsole } from '../install/console-api.ts';
import { reasonOf } from '../log.ts';
import type { PostJson } from '../pair.ts';
import { dispatcherFor } from './proxy.ts';

type Bounds = { readonly answerMsMax: number; readonly answerBytesMax: number };
const PAIRING: Bounds = { answerMsMax: 20_000, answerBytesMax: 65_536 };
/** A cloud account is tried on MAAS before the answer (API_ASK_MS_MAX, 45 s); a page of 200 gateways is some 400 KB. */
const CALLING: Bounds = { answerMsMax: 60_000, answerBytesMax: 4 * 1_048_576 };

/** @param ca all authorities to trust */
export function createPostJson(proxy: ProxySettings, ca: string[], agent: string): PostJson {
  return (url, body) =>
    send(url, { method: 'POST', body, headers: { 'user-agent': agent } }, dispatcherFor(url, proxy, ca), PAIRING);
}

/** The same with an API key. @param ca all authorities to trust */
export function createCallConsole(proxy: ProxySettings, ca: string[], agent: string): CallConsole {
  return ({ method, url, bearer, body, repeatKey }) => {
    const repeat = repeatKey === undefined ? {} : { 'idempotency-key': repeatKey };
    const headers = { 'user-agent': agent, authorization: `Bearer ${bearer}`, ...repeat };
    return send(url, { method, body, headers }, dispatcherFor(url, proxy, ca), CALLING);
  };
}

type Outgoing = {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Undefined: none. */
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
};

/** Ends the dispatcher. */
async function send(url: string, { method, body, headers }: Outgoing, dispatcher: Dispatcher, bounds: Bounds) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  try {
    const answer = await request(url, {
      dispatcher,
      method,
      headers: { ...type, accept: 'application/json', ...headers },
      ...sent,
      signal: AbortSignal.timeout(bounds.answerMsMax),
    });
    return ok({ status: answer.statusCode, body: parseJson(await answer.body.text(), bounds.answerBytesMax) });
  } catch (error) {
    return err({ detail: describe(error) });
  } finally {
    await dispatcher.destroy();
  }
}

/** Undefined for what is not JSON: the caller's schema refuses it. */
function parseJson(text: string, bytesMax: number): unknown {
  if (text.length > bytesMax) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Node wraps the reason, and tells several addresses as one AggregateError with an empty message. */
function describe(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  if (error instanceof Error && error.cause !== undefined) return `${error.message}: ${reasonOf(error.cause)}`;
  return reasonOf(error);
}
