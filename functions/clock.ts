// The one place of the edge that reads the wall clock and the random source.
import { EpochMs } from '../shared/ids.ts';

export const now = (): EpochMs => EpochMs.parse(Date.now());

export const randomBytes = (count: number): Uint8Array => crypto.getRandomValues(new Uint8Array(count));

/** An alarm may be late by seconds; a poke of what is about to wake would be for nothing. */
export const OVERDUE_MS = 60_000;
