// ensure-relay-program: this node runs the program of a release (U1).
import { err } from '../../shared/result.ts';
import type { Handler } from './handler.ts';

/** A relay that was put together without a place for programs takes none. */
export const ensureRelayProgram: Handler<'ensure-relay-program'> = async () =>
  err({ code: 'RELEASE_UNAVAILABLE', detail: 'this relay can not exchange its own program' });
