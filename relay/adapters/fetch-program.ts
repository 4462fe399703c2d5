// A program of a release, from the console, the way the relay reaches it.
import { request } from 'undici';
import { err, ok, type Result } from '../../shared/result.ts';
import type { ProxySettings } from '../config.ts';
import { reasonOf } from '../log.ts';
import { dispatcherFor } from './proxy.ts';

/** Without a byte for so long it is given up. */
const NO_PROGRESS_MS_MAX = 30_000;

/** `refused`: asking again changes nothing. */
export type FetchFailure = { readonly code: 'refused' | 'unreachable'; readonly detail: string };

export type FetchProgram = <T>(
  url: string,
  signal: AbortSignal,
  use: (bytes: AsyncIterable<Uint8Array>) => Promise<T>,
) => Promise<Result<T, FetchFailure>>;

/** @param ca all authorities to trust */
export function createFetchProgram(proxy: ProxySettings, ca: string[], agent: string): FetchProgram {
  return async (url, signal, use) => {
    const dispatcher = dispatcherFor(url, proxy, ca);
    try {
      const answer = await request(url, {
        dispatcher,
        signal,
        headers: { 'user-agent': agent, 'accept-encoding': 'identity' },
        headersTimeout: NO_PROGRESS_MS_MAX,
        bodyTimeout: NO_PROGRESS_MS_MAX,
      });
      if (answer.statusCode === 200) return ok(await use(answer.body));
      const detail = `the console answered with status ${answer.statusCode}`;
      const passes = answer.statusCode >= 500 || answer.statusCode === 429 || answer.statusCode === 408;
      return err({ code: passes ? 'unreachable' : 'refused', detail });
    } catch (error) {
      const reason = error instanceof AggregateError ? error.errors.map(reasonOf).join('; ') : reasonOf(error);
      return err({ code: 'unreachable', detail: reason });
    } finally {
      await dispatcher.destroy();
    }
  };
}
