// Who has enrolled, from where, and who has its document. Kept on disk: a relay that was restarted must not hand a document
// out twice, nor forget which address a token belongs to.
import { z } from 'zod';
import { Claim } from '../../shared/claim.ts';
import { EnrolRequest } from '../../shared/enrolment.ts';
import { EpochMs, SystemId } from '../../shared/ids.ts';
import type { Log } from '../log.ts';
import type { Clock, Disk } from '../ports.ts';
import { parseOwnFile } from './own-file.ts';

const Entry = z.strictObject({
  claim: Claim,
  systemId: SystemId,
  /** The source address of the first contact; others are turned away. */
  address: z.string(),
  interfaces: EnrolRequest.shape.interfaces,
  acknowledgedAt: EpochMs.nullable(),
  enrolUntil: EpochMs,
});
export type LedgerEntry = z.infer<typeof Entry>;
const LedgerFile = z.strictObject({ v: z.literal(1), entries: z.array(Entry) });

export type Ledger = {
  readonly find: (claim: Claim) => LedgerEntry | null;
  /** Enters or replaces; resolves when it is on disk. */
  readonly put: (entry: LedgerEntry) => Promise<void>;
};

const LEDGER_FILE = 'enrolments.json';
/** Above the machines of a gateway; over it the ones that end first go. */
const ENTRIES_MAX = 10_000;
/** An entry is kept so long after its token ended, for late reports and questions. */
const KEPT_MS = 24 * 3_600_000;

/** A ledger that can't be read begins empty, loudly: its loss costs a second look at a document, not a machine. */
export async function openLedger(disk: Disk, clock: Clock, log: Log): Promise<Ledger> {
  const read = await disk.read(LEDGER_FILE);
  const file = read.ok && read.value !== null ? parseOwnFile(LedgerFile, read.value) : null;
  if (!read.ok || (read.value !== null && file === null)) log.error('enrolments-unreadable', {});
  const entries = new Map((file?.entries ?? []).map((entry) => [entry.claim, entry]));
  let writing = Promise.resolve();

  async function write(): Promise<void> {
    prune(entries, clock.now());
    const text = JSON.stringify({ v: 1, entries: [...entries.values()] });
    const written = await disk.replace(LEDGER_FILE, Buffer.from(text));
    if (!written.ok) log.error('enrolments-not-written', { detail: written.error.detail });
  }

  return {
    find: (claim) => entries.get(claim) ?? null,
    put: (entry) => {
      entries.set(entry.claim, entry);
      writing = writing.then(write);
      return writing;
    },
  };
}

function prune(entries: Map<Claim, LedgerEntry>, now: EpochMs): void {
  for (const [claim, entry] of entries) if (entry.enrolUntil + KEPT_MS < now) entries.delete(claim);
  if (entries.size <= ENTRIES_MAX) return;
  const first = [...entries.values()].toSorted((a, b) => a.enrolUntil - b.enrolUntil);
  for (const entry of first.slice(0, entries.size - ENTRIES_MAX)) entries.delete(entry.claim);
}
