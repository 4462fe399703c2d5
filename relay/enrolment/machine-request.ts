// A machine's request as serve.ts brings it in, and what it is answered. No HTTP in here.
import type { Program } from './relay-offer.ts';

export type MachineRequest = {
  readonly method: string;
  readonly path: string;
  readonly source: string;
  /** The address of ours it was sent to, if that is known. */
  readonly destination?: string;
  /** The name it checks in our certificate, which says what authority it pins. */
  readonly serverName?: string;
  readonly token: string | null;
  readonly wantsJson: boolean;
  readonly body: unknown;
  /** Aborted when the machine has hung up. */
  readonly signal: AbortSignal;
};

export type MachineAnswer = {
  readonly status: number;
  readonly body?: string;
  readonly contentType?: string;
  /** Instead of a body: this is streamed. */
  readonly program?: Program;
  /** Where the gateway's relays serve now, as the header has it. */
  readonly relays?: string;
};
