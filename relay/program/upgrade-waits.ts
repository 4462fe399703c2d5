// How long an exchange of the program waits for what. Tests have no two minutes.
import { z } from 'zod';
import { UPGRADE_HEARTBEAT_MS, UPGRADE_TRIAL_MS } from '../../shared/limits.ts';

const UpgradeWaits = z.strictObject({
  /** Without one for so long the former takes over again; with them for so long the new program is accepted. */
  heartbeatMs: z.int().positive().default(UPGRADE_HEARTBEAT_MS),
  /** From the start of a new program to its trial session welcomed. */
  trialMs: z.int().positive().default(UPGRADE_TRIAL_MS),
  /** An accepted program that ran so long counts as started. */
  startedMs: z.int().positive().default(60_000),
});
export type UpgradeWaits = z.infer<typeof UpgradeWaits>;

/** Null for a setting that is none. @param setting JSON; absent or empty: as it is in earnest */
export function readUpgradeWaits(setting: string | undefined): UpgradeWaits | null {
  try {
    const waits = UpgradeWaits.safeParse(JSON.parse(setting === undefined || setting === '' ? '{}' : setting));
    return waits.success ? waits.data : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
