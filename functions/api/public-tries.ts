// What callers without a key may try, per address and minute (architecture ruling 13.5: limits per IP only).
import { PAIRING_TRIES_PER_MINUTE_MAX } from '../../shared/limits.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { countTry, secondsLeft } from '../store/public-tries.ts';
import type { Context } from './route.ts';
import { sha256 } from './sha256.ts';

/** Counts this try; a failure once there were too many. Addresses are kept as hashes, for two minutes. */
export async function tooManyTries(context: Context, kind: 'setup' | 'pairing'): Promise<ApiFailure | null> {
  // Cloudflare sets it and no client can; without it (local use) all callers share one count.
  const address = context.request.headers.get('cf-connecting-ip') ?? 'local';
  const tries = await countTry(context.catalogue, await sha256(`${kind}\n${address}`), context.now);
  if (tries <= PAIRING_TRIES_PER_MINUTE_MAX) return null;
  const retryAfterSeconds = secondsLeft(context.now);
  return apiFailure('RATE_LIMITED', `Wait ${retryAfterSeconds} s.`, { retryAfterSeconds });
}
