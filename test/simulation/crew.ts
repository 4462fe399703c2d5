// Threads that work through jobs, in whatever order; answers come as they come, so who adds them up must not care.
import { Worker } from 'node:worker_threads';
import type { Job, JobAnswer } from './job.ts';

/**
 * Lives of one thread. Processes that are killed in a life never end what they wait for, and Node keeps every composite AbortSignal
 * that somebody listens to: some 0.3 MB a life stay until the thread ends.
 */
const LIVES_MAX = 1_000;
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
  const worker = { file: new URL('./seed-worker.ts', import.meta.url), data: { mutant }, jobsMax: LIVES_MAX };
  return runIn(worker, jobs, threads, onAnswer);
}

/** `jobsMax`: of one thread; then another takes its place, which begins with an empty memory. */
type WorkerSource = { readonly file: URL; readonly data: unknown; readonly jobsMax: number };

/**
 * Runs all of `jobs` in threads of `worker`, which answers each message with one. `onAnswer` may answer 'stop': then no further
 * job is begun.
 */
export async function runIn<J, A>(
  worker: WorkerSource,
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
  const answered = (answer: A): void => {
    if (!stopped && onAnswer(answer) === 'stop') stopped = true;
  };
  const shift = async (): Promise<void> => {
    while (await runThread(worker, next, answered));
  };
  await Promise.all(Array.from({ length: threads }, shift));
}

/** One thread, until no job is left (false) or it has had its share (true). */
function runThread<J, A>(worker: WorkerSource, next: () => J | null, answered: (answer: A) => void): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(worker.file, {
      workerData: worker.data,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    let [given, under, isOver] = [0, 0, false];
    const give = (): void => {
      for (; under < AHEAD && given < worker.jobsMax && !isOver; under += 1) {
        const job = next();
        isOver = job === null;
        if (job === null) break;
        given += 1;
        thread.postMessage(job);
      }
      if (under === 0) void thread.terminate().then(() => resolve(!isOver));
    };
    thread.on('message', (answer: A) => {
      under -= 1;
      answered(answer);
      give();
    });
    thread.on('error', reject);
    give();
  });
}
