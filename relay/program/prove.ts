// The new program's side of its trial (U3): it dials beside the former one, without the folder's lock, and says when it got through.
import { err, ok, type Result } from '../../shared/result.ts';
import { readIdentity } from '../identity.ts';
import { KEY_CRAFT, type KeyCraft } from '../key-craft.ts';
import type { Log } from '../log.ts';
import type { Disk, Ports } from '../ports.ts';
import type { StartFailure } from '../state-folder.ts';
import { type ConnectionOutcome, connect } from '../tunnel/connection.ts';
import type { Dial } from '../tunnel/dial.ts';
import { keepTunnel } from '../tunnel/supervisor.ts';
import { openVault } from '../vault.ts';
import type { Former } from './former-talk.ts';

export type ProveParts = {
  readonly former: Former;
  readonly disk: Disk;
  readonly dial: Dial;
  readonly ports: Ports;
  readonly log: Log;
  readonly bootId: string;
  readonly version: string;
  readonly craft?: KeyCraft;
};

/** Resolves when the former one has given the folder over. Reads of the folder what it needs, and changes nothing. */
export async function prove(parts: ProveParts): Promise<Result<null, StartFailure>> {
  const { former, disk, dial, ports, log, bootId, version, craft = KEY_CRAFT } = parts;
  const identity = await readIdentity(disk);
  const vault = await openVault(disk, craft);
  if (!identity.ok || !vault.ok || identity.value === null || vault.value === null)
    return err({ detail: 'the new program can’t read the state folder', todo: 'none: the former one serves' });
  const caller = { identity: identity.value, bootId, relayVersion: version, sign: vault.value.sign };
  const through = new AbortController();
  let counted = (_counter: number): void => {};
  let go = (): void => {};
  const released = new Promise<void>((resolve) => {
    go = resolve;
  });
  former.hear((message) => (message.kind === 'go' ? go() : counted(message.counter)));
  const connectOnce = async (joinCounter: number): Promise<ConnectionOutcome> => {
    const heartbeat = { everyMs: null, heard: () => through.abort() };
    const trial = { ...caller, joinCounter, verify: async () => false, trial: true, heartbeat } as const;
    const outcome = await connect(trial, dial, NOTHING, ports, log, through.signal);
    former.say({ kind: 'dial-ended', detail: detailOf(outcome) });
    return outcome;
  };
  const nextCounter = () =>
    new Promise<Result<number, never>>((resolve) => {
      counted = (counter) => resolve(ok(counter));
      former.say({ kind: 'wants-counter' });
    });
  await keepTunnel(connectOnce, nextCounter, ports, log, through.signal);
  former.say({ kind: 'proved' });
  await released;
  return ok(null);
}

/** A trial session has no work. */
const NOTHING = { began: () => {}, delivered: async () => {}, other: () => {}, ended: () => {} };

function detailOf({ end }: ConnectionOutcome): string {
  if (end.kind === 'unreachable' || end.kind === 'refused') return end.detail.slice(0, 500);
  return end.kind === 'closed' ? `closed with ${end.code} ${end.reason}`.slice(0, 500) : end.kind;
}
