// ensure-bootstrap: a machine's document is held ready until the machine has fetched it.
import { JOIN_TOKEN_MS } from '../../shared/limits.ts';
import { err, ok } from '../../shared/result.ts';
import { mintJoinToken } from '../enrolment/join-token.ts';
import type { Ledger } from '../enrolment/ledger.ts';
import type { Turns } from '../enrolment/turns.ts';
import type { ClusterDial } from '../kubernetes/connect.ts';
import { type Handler, stopped } from './handler.ts';
import { openIdentity } from './identity.ts';

export type BootstrapParts = {
  readonly turns: Turns;
  readonly ledger: Ledger;
  readonly dial: Pick<ClusterDial, 'kubernetes'>;
  /** Of the tokens to join with. Absent: production's. Less than the planner's time to join, by more than a join takes. */
  readonly joinTokenMs?: number | undefined;
};

/** Stands for as long as it takes. Settles at once when the machine has its document already (C6). */
export function ensureBootstrap({
  turns,
  ledger,
  dial,
  joinTokenMs = JOIN_TOKEN_MS,
}: BootstrapParts): Handler<'ensure-bootstrap'> {
  return async ({ claim, systemId, access, document }, context) => {
    const before = ledger.find(claim)?.acknowledgedAt ?? null;
    if (before !== null) return ok({ verb: 'ensure-bootstrap', fetchedAt: before });
    const opened = await openIdentity(context, access.identity);
    if (!opened.ok) return opened;
    const identity = opened.value;
    const mint = async () => {
      const api = dial.kubernetes(access.server, identity);
      const minted = await mintJoinToken(api, context.ports.random, joinTokenMs);
      await api.close();
      return minted;
    };
    const virtualAddress = new URL(access.server).hostname;
    const turn = { claim, systemId, document, identity, virtualAddress, mintJoinToken: mint };
    const fetchedAt = await turns.hold(turn, context.signal);
    return fetchedAt === null ? err(stopped) : ok({ verb: 'ensure-bootstrap', fetchedAt });
  };
}
