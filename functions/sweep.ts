// The cron sweep, every 5 minutes: finds what a lost alarm or a request that died has left behind. Each part is bounded, may be
// repeated, and does not keep the others from their turn.
import { DELETED_CLUSTER_KEPT_MS } from '../shared/limits.ts';
import { now, OVERDUE_MS } from './clock.ts';
import { clusterOf, type Env, gatewayOf } from './env.ts';
import { log, messageOf } from './log.ts';
import { finishCreation } from './make-cluster.ts';
import { type Catalogue, openCatalogue } from './store/catalogue.ts';
import { overdueClusters, releaseNames, unfinishedCreations } from './store/clusters.ts';
import { endGatewayRemoval, gatewaysInDeletion, unfinishedRemovals } from './store/gateways.ts';
import { pruneRequests } from './store/idempotency-keys.ts';
import { pruneTries } from './store/public-tries.ts';
import { tellMissedClusters } from './tell-clusters.ts';
import { tellGateways } from './tell-release.ts';

/** Of each kind in one sweep; the next sweep takes the rest. */
const FOUND_MAX = 500;
/** Changed accounts in one sweep; up to 100 clusters of each are told. */
const ACCOUNTS_MAX = 20;
/** Objects called at once (Cloudflare allows six connections). */
const CALLS_MAX = 5;
/** A request that makes a cluster is given this long to finish it itself. */
const CREATION_GRACE_MS = 60_000;

/** Who asks for a deletion whose asker is not known any more. */
const SWEEPER = 'sweep';

/** Never throws: a part that fails is logged and comes again. */
export async function sweep(env: Env): Promise<void> {
  const db = openCatalogue(env.CATALOGUE);
  await part('poke', () => pokeOverdue(env, db));
  await part('finish-creations', () => finishCreations(env, db));
  await part('tell-deletions', () => tellDeletions(env, db));
  await part('finish-removals', () => finishRemovals(env, db));
  await part('tell-account-changes', () => tellMissedClusters(env, db, ACCOUNTS_MAX));
  await part('tell-releases', () => tellGateways(env, db, FOUND_MAX));
  await part('release-names', () => releaseNames(db, now() - DELETED_CLUSTER_KEPT_MS));
  await part('prune-requests', () => pruneRequests(db, now()));
  await part('prune-tries', () => pruneTries(db, now()));
}

async function pokeOverdue(env: Env, db: Catalogue): Promise<void> {
  const overdue = await overdueClusters(db, now() - OVERDUE_MS, FOUND_MAX);
  await each(overdue, 'poke-failed', ({ scope, id }) => clusterOf(env, scope, id).poke());
}

async function finishCreations(env: Env, db: Catalogue): Promise<void> {
  const left = await unfinishedCreations(db, now() - CREATION_GRACE_MS, FOUND_MAX);
  await each(left, 'creation-not-finished', async (creation) => {
    await finishCreation(env, db, creation);
  });
}

/** A request that died between the catalogue and the gateway's object: the object must know that it is to end. */
async function tellDeletions(env: Env, db: Catalogue): Promise<void> {
  await each(await gatewaysInDeletion(db, FOUND_MAX), 'deletion-not-told', async ({ scope, id }) => {
    await gatewayOf(env, scope, id).requestDeletion(SWEEPER);
  });
}

async function finishRemovals(env: Env, db: Catalogue): Promise<void> {
  await each(await unfinishedRemovals(db, FOUND_MAX), 'removal-not-finished', async ({ scope, id }) => {
    await gatewayOf(env, scope, id).remove();
    await endGatewayRemoval(db, scope, id);
  });
}

async function each<T>(items: readonly T[], event: string, work: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += CALLS_MAX) {
    await Promise.all(items.slice(at, at + CALLS_MAX).map((item) => part(event, () => work(item))));
  }
}

async function part(event: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    log({ event: `sweep-${event}`, cause: messageOf(error) });
  }
}
