// Work that goes on after the answer is given; what it throws is only said, since nobody waits for it.
import { type LogRecord, messageOf } from '../log.ts';

export type BackgroundPorts = { background(work: Promise<void>): void; log(record: LogRecord): void };

export function inBackground(
  { background, log }: BackgroundPorts,
  event: string,
  work: { run(): Promise<void> },
): void {
  background(work.run().catch((error) => log({ event, cause: messageOf(error) })));
}
