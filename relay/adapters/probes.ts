// What `doctor` tries: a name, an answer, a port. Every probe ends by itself.
import { lookup } from 'node:dns/promises';
import { stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { request } from 'undici';
import { err, ok, type Result } from '../../shared/result.ts';
import type { ProxySettings } from '../config.ts';
import { reasonOf } from '../log.ts';
import { dispatcherFor } from './proxy.ts';

const ANSWER_MS_MAX = 10_000;

/** The addresses of a host name. */
export async function resolveName(host: string): Promise<Result<string[], string>> {
  try {
    return ok((await lookup(host, { all: true })).map(({ address }) => address));
  } catch (error) {
    return err(reasonOf(error));
  }
}

export type Answer = { readonly status: number; readonly date: number | null; readonly body: string };

/** One GET, through the proxy if one is set for the URL. @param ca all authorities to trust */
export async function getOnce(url: string, proxy: ProxySettings, ca: string[]): Promise<Result<Answer, string>> {
  const dispatcher = dispatcherFor(url, proxy, ca);
  try {
    const answer = await request(url, { dispatcher, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    const { date } = answer.headers;
    const at = typeof date === 'string' ? Date.parse(date) : Number.NaN;
    return ok({
      status: answer.statusCode,
      date: Number.isNaN(at) ? null : at,
      body: (await answer.body.text()).slice(0, 1_000),
    });
  } catch (error) {
    return err(error instanceof AggregateError ? error.errors.map(reasonOf).join('; ') : reasonOf(error));
  } finally {
    await dispatcher.destroy();
  }
}

/** Whether a port can be listened on now. `in-use`: somebody does. */
export function tryListen(host: string, port: number): Promise<Result<null, 'in-use' | string>> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => {
      const isInUse = 'code' in error && error.code === 'EADDRINUSE';
      resolve(err(isInUse ? 'in-use' : error.message));
    });
    server.listen(port, host, () => server.close(() => resolve(ok(null))));
  });
}

/** The permission bits of a file or folder; null when it is not there. */
export async function modeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).mode & 0o777;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** What a user of this host may still write below `folder`, which must be there. */
export async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
