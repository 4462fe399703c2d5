// The recovery key that a gateway was created with, and the newest copy of the gateway's key sealed to it, in the gateway's
// SQLite. A gateway without one has no row.
import { z } from 'zod';
import { EpochMs } from '../../shared/ids.ts';
import { RecoveryCopy } from '../../shared/recovery.ts';
import { rowsOf, type Sql } from './sql.ts';

const Row = z
  .object({
    recovery_key: z.string(),
    attempt: z.int(),
    ask_at: EpochMs,
    copy: z
      .string()
      .transform((text) => RecoveryCopy.parse(JSON.parse(text)))
      .nullable(),
  })
  .transform((row) => ({
    recoveryKey: row.recovery_key,
    /** Rises with each try to get a copy. */
    attempt: row.attempt,
    /** When this try begins, or began. */
    askAt: row.ask_at,
    /** Null: none was made yet. One of an older key stands until the next is there. */
    copy: row.copy,
  }));
export type RecoveryRecord = z.infer<typeof Row>;

export function recoveryCopy(sql: Sql) {
  return {
    read: (): RecoveryRecord | null => rowsOf(sql, Row, 'SELECT * FROM recovery')[0] ?? null,
    /** May be repeated: the first key stands. */
    begin: (recoveryKey: string) =>
      sql.run('INSERT OR IGNORE INTO recovery (one, recovery_key) VALUES (1, ?)', recoveryKey),
    askAt: (at: EpochMs) => sql.run('UPDATE recovery SET ask_at = ?', at),
    made: (copy: RecoveryCopy) => sql.run('UPDATE recovery SET copy = ?, ask_at = 0', JSON.stringify(copy)),
    /** What was tried is over; the next try has another number. */
    tryAgain: (at: EpochMs) => sql.run('UPDATE recovery SET attempt = attempt + 1, ask_at = ?', at),
  };
}
