// ensure-identity: a cluster gets its authorities and keys once; the edge keeps them as ciphertext only this gateway opens.
import type { CommandFailure } from '../../shared/command.ts';
import type { Result } from '../../shared/result.ts';
import { err, ok } from '../../shared/result.ts';
import type { SealedSecret } from '../../shared/sealed-secret.ts';
import {
  type ClusterIdentity,
  makeClusterIdentity,
  parseIdentity,
  serialiseIdentity,
} from '../bootstrap/cluster-identity.ts';
import type { CommandContext, Handler } from './handler.ts';

/** WebCrypto settles off the thread, so who needs every run alike (the simulator) brings its own. */
export type MakeIdentity = typeof makeClusterIdentity;

/** An identity that exists is answered unchanged, whatever the name says: making a second one would orphan every node. */
export const ensureIdentityMadeBy =
  (make: MakeIdentity): Handler<'ensure-identity'> =>
  async (body, context) => {
    if (body.existing !== null) {
      const opened = await openIdentity(context, body.existing);
      if (!opened.ok) return opened;
      return ok({ verb: 'ensure-identity', identity: body.existing, caCertPem: opened.value.ca.certPem });
    }
    const { clusterId } = context.command;
    if (clusterId === null) return err({ code: 'RELAY_BUG', detail: 'ensure-identity came without a cluster' });
    const identity = await make(body.clusterName, context.ports.clock.now());
    const sealed = await context.sealSecret(serialiseIdentity(identity), {
      purpose: 'cluster-identity',
      recordId: clusterId,
      version: 1,
    });
    context.ports.reach('after-identity-made');
    return ok({ verb: 'ensure-identity', identity: sealed, caCertPem: identity.ca.certPem });
  };

export const ensureIdentity = ensureIdentityMadeBy(makeClusterIdentity);

/** The identity in the clear, for as long as the caller holds it. SECRET_UNREADABLE when it is not ours or no identity. */
export async function openIdentity(
  context: Pick<CommandContext, 'openSecret'>,
  sealed: SealedSecret,
): Promise<Result<ClusterIdentity, CommandFailure>> {
  const opened = await context.openSecret(sealed);
  if (!opened.ok) return opened;
  const identity = parseIdentity(opened.value);
  return identity.ok ? identity : err({ code: 'SECRET_UNREADABLE', detail: `it opens, but is ${identity.error}` });
}
