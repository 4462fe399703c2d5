// One POST of JSON to the console, through the proxy if one is set. Used by pairing; the tunnel carries all the rest.
import { request } from 'undici';
import { err, ok } from '../../shared/result.ts';
import type { ProxySettings } from '../config.ts';
import { reasonOf } from '../log.ts';
import type { PostJson } from '../pair.ts';
import { dispatcherFor } from './proxy.ts';

const ANSWER_MS_MAX = 20_000;
const ANSWER_BYTES_MAX = 65_536;

/** @param ca all authorities to trust */
export function createPostJson(proxy: ProxySettings, ca: string[], agent: string): PostJson {
  return async (url, body) => {
    const dispatcher = dispatcherFor(url, proxy, ca);
    try {
      const answer = await request(url, {
        dispatcher,
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json', 'user-agent': agent },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      });
      return ok({ status: answer.statusCode, body: parseJson(await answer.body.text()) });
    } catch (error) {
      return err({ detail: describe(error) });
    } finally {
      await dispatcher.destroy();
    }
  };
}

/** Undefined for what is not JSON: the caller's schema refuses it. */
function parseJson(text: string): unknown {
  if (text.length > ANSWER_BYTES_MAX) return undefined;
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
