// A console takes only so many tries to pair from one address in a minute, and the relays of a site may share theirs. Waiting
// for the next minute is nothing that a person need do.
import { z } from 'zod';
import type { PostJson } from '../pair.ts';
import { sleep, type Timers } from '../ports.ts';

const TOO_MANY = 429;
/** More than once only when others of the site pair at the same time. */
const WAITS_MAX = 3;
/** The console counts by the minute. */
const WAIT_SECONDS_MAX = 60;

const Limited = z.object({ retryAfterSeconds: z.number().min(0).max(WAIT_SECONDS_MAX) });

/** Answers what `post` answers, once it is not told to wait. */
export function patientPost(post: PostJson, timers: Timers, say: (text: string) => void): PostJson {
  return async (url, body) => {
    for (let waits = 0; ; waits += 1) {
      const answered = await post(url, body);
      const limited = answered.ok && answered.value.status === TOO_MANY ? Limited.safeParse(answered.value.body) : null;
      if (!limited?.success || waits === WAITS_MAX) return answered;
      const seconds = Math.max(1, Math.ceil(limited.data.retryAfterSeconds));
      say(`  too many relays pair from here at once: waits ${seconds} s, as the console says`);
      await sleep(timers, seconds * 1_000);
    }
  };
}
