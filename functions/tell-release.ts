// Tells gateways of the newest release. Which one each was told is in its row, so whoever is missed now is told by the sweep; and so
// is one whose upgrade is overdue: its alarm was lost, and whatever it is told wakes it.
import type { GatewayId, Scope } from '../shared/ids.ts';
import { API_OBJECT_MS_MAX } from '../shared/limits.ts';
import { now, OVERDUE_MS } from './clock.ts';
import { type Env, gatewayOf } from './env.ts';
import { log, messageOf } from './log.ts';
import { within } from './objects/within.ts';
import type { Catalogue } from './store/catalogue.ts';
import { type GatewayToTell, gatewaysToTell, gatewayTold, newestRelease, type ReleaseRow } from './store/releases.ts';

/** Objects called at once (Cloudflare allows six connections). */
const CALLS_MAX = 5;

/** At most `limit` gateways. May be repeated; a gateway that does not answer is told the next time. */
export async function tellGateways(env: Env, catalogue: Catalogue, limit: number): Promise<void> {
  const newest = await newestRelease(catalogue);
  if (newest === null) return;
  const gateways = await gatewaysToTell(catalogue, newest.rank, now() - OVERDUE_MS, limit);
  for (let at = 0; at < gateways.length; at += CALLS_MAX) {
    await Promise.all(gateways.slice(at, at + CALLS_MAX).map((gateway) => tell(env, catalogue, gateway, newest)));
  }
}

/** One that was made after the release. */
export async function tellNewGateway(
  env: Env,
  catalogue: Catalogue,
  gateway: { readonly scope: Scope; readonly id: GatewayId },
): Promise<void> {
  const newest = await newestRelease(catalogue);
  if (newest !== null) await tell(env, catalogue, { ...gateway, upgradeDueAt: null }, newest);
}

async function tell(
  env: Env,
  catalogue: Catalogue,
  gateway: GatewayToTell,
  { release, publishedAt, rank }: ReleaseRow,
): Promise<void> {
  try {
    const told = gatewayOf(env, gateway.scope, gateway.id).releasePublished({ release, publishedAt });
    const dueAt = await within(API_OBJECT_MS_MAX, 'releasePublished', told);
    await gatewayTold(catalogue, gateway, rank, dueAt);
  } catch (error) {
    log({ event: 'release-not-told', gateway: gateway.id, cause: messageOf(error) });
  }
}
