// Threads that work through jobs, in whatever order; answers come as they come, so who adds them up must not care.
import { Worker } from 'node:worker_threads';
import type { Job, JobAnswer } from './job.ts';

/** Jobs under way in one thread: so that none waits for the other side. */
const AHEAD = 2;
/** A life makes much that is soon forgotten. With Node's own 16 MB an eighth of the time goes into looking through it. */
const YOUNG_GENERATION_MB = 64;

/** Runs all of `jobs`, seeds of the simulator. @param mutant what the threads' sources are changed by; null: as shipped */
export function runJobs(
  jobs: Iterable<Job>,
  threads: number,
  mutant: string | null,
  onAnswer: (answer: JobAnswer) => 'stop' | 'go on',
): Promise<void> {
  return runIn({ file: new URL('./seed-worker.ts', import.meta.url), data: { mutant } }, jobs, threads, onAnswer);
}

/**
 * Runs all of `jobs` in threads of `worker`, which answers each message with one. `onAnswer` may answer 'stop': then no further
 * job is begun.
 */
export function runIn<J, A>(
  worker: { readonly file: URL; readonly data: unknown },
  jobs: Iterable<J>,
  threads: number,
  onAnswer: (answer: A) => 'stop' | 'go on',
): Promise<void> {
  const waiting = jobs[Symbol.iterator]();
  let stopped = false;
  const next = (): J | null => {
    const taken = stopped ? null : waiting.next();
    return taken === null || taken.done === true ? null : taken.value;
  };
  return Promise.all(
    Array.from(
      { length: threads },
      () =>
        new Promise<void>((resolve, reject) => {
          const thread = new Worker(worker.file, {
            workerData: worker.data,
            resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
          });
          let under = 0;
          const give = (): void => {
            for (; under < AHEAD; under += 1) {
              const job = next();
              if (job === null) break;
              thread.postMessage(job);
            }
            if (under === 0) void thread.terminate().then(() => resolve());
          };
          thread.on('message', (answer: A) => {
            under -= 1;
            if (!stopped && onAnswer(answer) === 'stop') stopped = true;
            give();
          });
          thread.on('error', reject);
          give();
        }),
    ),
  ).then(() => undefined);
}
