// A thread that runs seeds. What it is to do comes as messages, one answer for each.
import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { applyMutant } from './mutants/apply-mutant.ts';

const Setup = z.object({ mutant: z.string().nullable() });
const { mutant } = Setup.parse(workerData);
if (mutant !== null) applyMutant(mutant);
// Only now, so that a mutant's patches are in what is loaded.
const { answerJob } = await import('./job.ts');

parentPort?.on('message', (message: unknown) => {
  answerJob(message).then(
    (answer) => parentPort?.postMessage(answer),
    (error: unknown) => {
      throw error;
    },
  );
});
