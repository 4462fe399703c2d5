// A thread that lives through months, one for each message.
import { parentPort } from 'node:worker_threads';
import { outsideOfPromises } from './microtasks.ts';
import { MonthJob, soak } from './soak.ts';

parentPort?.on('message', (message: unknown) => {
  const { seed, days } = MonthJob.parse(message);
  outsideOfPromises(() => soak(seed, days)).then(
    (month) => parentPort?.postMessage(month),
    (error: unknown) => {
      throw error;
    },
  );
});
