// What a relay starts from: identity, journal and keys of its state folder.
import { err, ok, type Result } from '../shared/result.ts';
import { openGatewayKey, takeFormerKey } from './gateway-key.ts';
import { type Identity, readIdentity } from './identity.ts';
import { type Journal, openJournal } from './journal.ts';
import { KEY_CRAFT, type KeyCraft } from './key-craft.ts';
import { createKeyring, type Keyring } from './keyring.ts';
import type { Log } from './log.ts';
import { isFormer } from './pair.ts';
import type { Disk, Ports } from './ports.ts';
import { openVault } from './vault.ts';

export type RelayState = {
  readonly disk: Disk;
  readonly identity: Identity;
  readonly journal: Journal;
  readonly keyring: Keyring;
};

/** What stops a relay from starting, and what to do about it. */
export type StartFailure = { readonly detail: string; readonly todo: string };

/** @param salvageJournal takes a damaged journal as far as it can be read */
export async function openRelayState(
  disk: Disk,
  ports: Ports,
  log: Log,
  salvageJournal: boolean,
  craft: KeyCraft = KEY_CRAFT,
): Promise<Result<RelayState, StartFailure>> {
  const refuse = (detail: string, todo: string): Result<never, StartFailure> => err({ detail, todo });
  const identity = await readIdentity(disk);
  if (!identity.ok) return refuse(identity.error.detail, 'restore the state folder from a backup, or pair anew');
  const vault = await openVault(disk, craft);
  if (!vault.ok) return refuse(vault.error.detail, 'restore the state folder from a backup, or pair anew');
  if (identity.value === null || vault.value === null)
    return refuse('this relay is not paired', 'run: slipway-relay pair');
  const journal = await openJournal(disk, ports.clock, { salvage: salvageJournal });
  if (!journal.ok) {
    const isCorrupt = journal.error.code === 'corrupt';
    const todo = isCorrupt ? 'check the disk, then start with --salvage-journal' : 'check the disk of the state folder';
    return refuse(journal.error.detail, todo);
  }
  const { damage, foreign } = journal.value;
  if (foreign > 0) log.warn('journal-of-later-release', { passedOver: foreign });
  if (damage !== null) log.warn('journal-mended', { damage: damage.kind, offsetBytes: damage.offsetBytes });
  const opened = await openGatewayKey(disk, craft);
  const key =
    opened.ok && opened.value === null && isFormer(identity.value)
      ? await takeFormerKey(disk, ports.clock.now(), craft)
      : opened;
  if (!key.ok)
    return refuse(key.error.detail, 'restore the state folder from a backup, or remove this node and pair anew');
  const { nodeId } = identity.value;
  const keyring = createKeyring({ disk, vault: vault.value, nodeId, held: key.value, clock: ports.clock, log, craft });
  return ok({ disk, identity: identity.value, journal: journal.value.journal, keyring });
}
