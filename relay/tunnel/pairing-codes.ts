// One-time codes for the relays of the gateway's own machines (I3). This node makes a code, tells the edge its digest and the
// claim it is for, and gives it out only when the edge has said that it knows it.
import { createHash } from 'node:crypto';
import type { Claim } from '../../shared/claim.ts';
import { makePairingCode, type PairingCode } from '../../shared/pairing.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { Ports } from '../ports.ts';
import type { Send, SessionPart } from './session-part.ts';

/** What a machine is kept waiting for the edge's word; then it is told to ask again. */
const KNOWN_MS_MAX = 10_000;
const TELL_AGAIN_MS = 2_000;
/** A code that no machine was given yet is used for the next try of its claim so long, well within the edge's 30 minutes. */
const REUSED_MS_MAX = 10 * 60_000;
/** Above the machines of a gateway at once. The oldest goes. */
const UNTOLD_MAX = 32;

export type PairingCodes = SessionPart & {
  /** A code that the edge knows. Fails when the edge does not answer in time; may be tried again. */
  readonly mint: (claim: Claim) => Promise<Result<PairingCode, { readonly detail: string }>>;
};

type Untold = {
  readonly claim: Claim;
  readonly code: PairingCode;
  readonly codeHash: string;
  readonly madeAtMs: number;
  /** Those who wait to hear that the edge knows it. */
  readonly waiting: Set<() => void>;
  /** Of the next time it is told. */
  cancel: () => void;
};

/** @param commandKey raw Ed25519 key that signs the edge's commands, base64url: a code names it */
export function createPairingCodes(
  commandKey: string,
  { clock, random, timers }: Pick<Ports, 'clock' | 'random' | 'timers'>,
): PairingCodes {
  const untold = new Map<string, Untold>();
  let send: Send | null = null;
  const tell = (one: Untold): void => {
    one.cancel();
    if (send === null || one.waiting.size === 0) return;
    send({ v: 1, type: 'pairing-code', codeHash: one.codeHash, claim: one.claim });
    one.cancel = timers.after(TELL_AGAIN_MS, () => tell(one));
  };
  const make = (claim: Claim): Untold => {
    const code = makePairingCode(random.bytes(20), sha256(Buffer.from(commandKey, 'base64url')).subarray(0, 10));
    const codeHash = sha256(Buffer.from(code)).toString('base64url');
    const one: Untold = { claim, code, codeHash, madeAtMs: clock.monotonicMs(), waiting: new Set(), cancel: () => {} };
    untold.set(codeHash, one);
    const [oldest] = untold.keys();
    if (untold.size > UNTOLD_MAX && oldest !== undefined) untold.delete(oldest);
    return one;
  };
  const known = (claim: Claim): Untold | undefined =>
    [...untold.values()].find((one) => one.claim === claim && clock.monotonicMs() - one.madeAtMs < REUSED_MS_MAX);
  const untilKnown = (one: Untold): Promise<boolean> =>
    new Promise((resolve) => {
      const end = (isKnown: boolean): void => {
        cancel();
        one.waiting.delete(heard);
        resolve(isKnown);
      };
      const heard = (): void => end(true);
      const cancel = timers.after(KNOWN_MS_MAX, () => end(false));
      one.waiting.add(heard);
      tell(one);
    });
  return {
    mint: async (claim) => {
      const one = known(claim) ?? make(claim);
      if (await untilKnown(one)) return ok(one.code);
      return err({ detail: 'the console has not taken a pairing code for this machine’s relay' });
    },
    attach: (sender) => {
      send = sender;
      for (const one of untold.values()) tell(one);
    },
    detach: () => {
      send = null;
    },
    take: (frame) => {
      if (frame.type !== 'pairing-code-ack') return;
      const one = untold.get(frame.codeHash);
      if (one === undefined) return;
      untold.delete(frame.codeHash);
      one.cancel();
      for (const heard of [...one.waiting]) heard();
    },
  };
}

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
