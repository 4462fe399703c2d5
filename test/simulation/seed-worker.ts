// A thread that runs seeds. What it is to do comes as messages, one answer for each.
import { enableCompileCache, flushCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { applyMutant } from './mutants/apply-mutant.ts';

const Setup = z.object({ mutant: z.string().nullable() });
const { mutant } = Setup.parse(workerData);
// Half of a thread's start would be making JavaScript of what another thread has made before.
enableCompileCache(fileURLToPath(new URL('../../.slipway/compile-cache', import.meta.url)));
if (mutant !== null) applyMutant(mutant);
// Only now, so that a mutant's patches are in what is loaded.
const { answerJob } = await import('./job.ts');
// This thread will not exit by itself, and only then would it be written. A mutant's sources are of no use to others.
if (mutant === null) flushCompileCache();

parentPort?.on('message', (message: unknown) => {
  answerJob(message).then(
    (answer) => parentPort?.postMessage(answer),
    (error: unknown) => {
      throw error;
    },
  );
});
