// What a hello that is taken is answered with (T5).
import type { CommandId } from '../../shared/command.ts';
import type { EpochMs } from '../../shared/ids.ts';
import { type EdgeFrame, PROTOCOL_VERSION } from '../../shared/tunnel-frame.ts';
import { toBase64url } from '../sign-command.ts';

/** max(1 s, fleet / 500 a second) (architecture ruling 13.10): up to 2,000 relays; a larger fleet needs a larger number here. */
const REDIAL_SPREAD_MS = 4_000;

export const newSessionId = (randomBytes: (count: number) => Uint8Array): string =>
  `ses_${toBase64url(randomBytes(16))}`;

export const welcomeOf = (sessionId: string, at: EpochMs, outstanding: CommandId[]): EdgeFrame => ({
  ...{ v: PROTOCOL_VERSION, type: 'welcome', sessionId, redialSpreadMs: REDIAL_SPREAD_MS, at, outstanding },
});
