// The lines of the journal: `<CRC-32 of the JSON, 8 hex digits> <JSON>\n`. A line that lacks its end, or whose sum is wrong, was
// torn or rotted.
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { Command, CommandId, CommandOutcome } from '../shared/command.ts';
import { ClusterId, EpochMs } from '../shared/ids.ts';
import { err, ok, type Result } from '../shared/result.ts';

export const JournalRecord = z.discriminatedUnion('kind', [
  /** The whole command, so that it is carried on after a restart while the tunnel is down. */
  z.strictObject({ kind: z.literal('accepted'), command: Command, bodyHash: z.string(), at: EpochMs }),
  /** About to change something; from here on the command is finished whatever its deadline says (C7). */
  z.strictObject({ kind: z.literal('intent'), commandId: CommandId, intent: z.string(), at: EpochMs }),
  z.strictObject({
    kind: z.literal('settled'),
    commandId: CommandId,
    bodyHash: z.string(),
    outcome: CommandOutcome,
    at: EpochMs,
  }),
  /** Superseded or withdrawn: not carried on. */
  z.strictObject({ kind: z.literal('dropped'), commandId: CommandId, at: EpochMs }),
  z.strictObject({ kind: z.literal('generation'), clusterId: ClusterId, generation: z.int().nonnegative() }),
  /** Join counters below this may have been used. */
  z.strictObject({ kind: z.literal('join'), reservedBelow: z.int().nonnegative() }),
]);
export type JournalRecord = z.infer<typeof JournalRecord>;

export function encodeRecord(record: JournalRecord): Uint8Array {
  const json = JSON.stringify(record);
  return Buffer.from(`${sumOf(json)} ${json}\n`);
}

export type JournalDamage =
  /** The end of the file is no whole record, and nothing whole follows: a write that a power cut tore. */
  | { readonly kind: 'torn-tail'; readonly offsetBytes: number }
  /** Whole records follow the bad one: the disk lost something that had been flushed. */
  | { readonly kind: 'corrupt'; readonly offsetBytes: number; readonly line: number };

export type JournalReading = {
  readonly records: JournalRecord[];
  /** Whole, and of a form that this release does not know: of a later program that was rolled back (C14). */
  readonly foreign: number;
  readonly damage: JournalDamage | null;
};

/** Every whole record, and the first damage. Records after the damage are there too: the caller decides. */
export function decodeJournal(bytes: Uint8Array): JournalReading {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: JournalRecord[] = [];
  let foreign = 0;
  let bad: { offsetBytes: number; line: number; wholeBefore: number } | null = null;
  let line = 0;
  for (let start = 0; start < text.length; ) {
    line += 1;
    const end = text.indexOf(10, start);
    const record = end === -1 ? err('torn') : decodeLine(text.toString('utf8', start, end));
    if (record.ok) records.push(record.value);
    else if (record.error === 'foreign') foreign += 1;
    else bad ??= { offsetBytes: start, line, wholeBefore: records.length + foreign };
    start = end === -1 ? text.length : end + 1;
  }
  if (bad === null) return { records, foreign, damage: null };
  const { offsetBytes } = bad;
  return {
    records,
    foreign,
    damage:
      records.length + foreign > bad.wholeBefore
        ? { kind: 'corrupt', offsetBytes, line: bad.line }
        : { kind: 'torn-tail', offsetBytes },
  };
}

function decodeLine(line: string): Result<JournalRecord, 'torn' | 'foreign'> {
  const json = line.slice(9);
  if (line[8] !== ' ' || line.slice(0, 8) !== sumOf(json)) return err('torn');
  const parsed = JournalRecord.safeParse(JSON.parse(json));
  return parsed.success ? ok(parsed.data) : err('foreign');
}

const sumOf = (json: string): string => crc32(json).toString(16).padStart(8, '0');
