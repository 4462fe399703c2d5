// A call to a Durable Object, bounded and without exceptions: an object that does not answer is UNAVAILABLE, never a bug of the caller.
import { API_OBJECT_MS_MAX } from '../../shared/limits.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { log, messageOf } from '../log.ts';

/** All methods of the objects may be repeated, so a caller that gets UNAVAILABLE may ask again. */
export async function callObject<T>(
  call: () => Promise<T>,
  timeoutMs: number = API_OBJECT_MS_MAX,
): Promise<Result<T, ApiFailure>> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return ok(await Promise.race([call(), late]));
  } catch (error) {
    log({ event: 'object-call-failed', error: messageOf(error) });
    return err(apiFailure('UNAVAILABLE'));
  } finally {
    clearTimeout(timer);
  }
}

/** The same for a method that answers a Result itself. */
export async function askObject<T>(
  call: () => Promise<Result<T, ApiFailure>>,
  timeoutMs: number = API_OBJECT_MS_MAX,
): Promise<Result<T, ApiFailure>> {
  const answered = await callObject(call, timeoutMs);
  return answered.ok ? answered.value : answered;
}
