// What users ask for, as the API asks the objects: again and again until it is taken over, since every method may be repeated.
import { ClusterSpec } from '../../shared/cluster-spec.ts';
import { ClusterId } from '../../shared/ids.ts';
import { type ClusterRecord, NOBODY } from './edge.ts';
import type { ClusterWish } from './scenario.ts';
import { GATEWAY_ID, SCOPE, SIMULATED_PROFILE, type World } from './world.ts';

const AGAIN_MS_MIN = 1_000;
const AGAIN_MS_MAX = 20_000;

/** A wish and how far it is. */
export type StandingWish = {
  readonly wish: ClusterWish;
  readonly record: ClusterRecord;
  createdAt: number | null;
  endAcceptedAt: number | null;
  /** The end was asked for of a cluster that can't be ended so any more. */
  endRefused: boolean;
  /** Aborted because it had failed. */
  hasGivenUp: boolean;
};

export function makeWishes(world: World): StandingWish[] {
  const wishes = world.scenario.clusters.map((wish) => {
    const record = world.edge.addCluster(ClusterId.parse(wish.id));
    const standing: StandingWish = {
      wish,
      record,
      createdAt: null,
      endAcceptedAt: null,
      endRefused: false,
      hasGivenUp: false,
    };
    world.timeline.after(wish.createAfterMs, () => create(world, standing));
    return standing;
  });
  // A gateway is not deleted before its clusters have been asked for.
  if (world.gateway !== null) world.gateway.usersAreThrough = () => wishes.every(({ createdAt }) => createdAt !== null);
  return wishes;
}

function create(world: World, standing: StandingWish): void {
  const { wish, record } = standing;
  const { account } = world;
  if (account === null || world.gateway?.isOpenForUsers() === false) return again(world, () => create(world, standing));
  const pools = [
    { name: 'cp', role: 'control-plane' as const, size: wish.controlPlanes },
    ...(wish.workers === 0 ? [] : [{ name: 'workers', role: 'worker' as const, size: wish.workers }]),
  ];
  const spec = ClusterSpec.parse({
    name: wish.name,
    profileId: 'pro_maas',
    accountId: account.accountId,
    pools,
    erase: wish.erase,
  });
  const about = { scope: SCOPE, clusterId: record.id, gatewayId: GATEWAY_ID, account };
  const creation = { ...about, spec, profile: SIMULATED_PROFILE };
  reserve(world, standing, spec);
  record.host
    .call(NOBODY(world.site), 'create', (logic) => logic.create(creation))
    .then(
      () => {
        standing.createdAt = world.timeline.now;
        world.site.trace.say('user', `created ${wish.id}`);
        if (wish.end !== null)
          world.timeline.after(wish.end.afterMs, () => end(world, standing, wish.end?.kind ?? 'abort'));
      },
      () => again(world, () => create(world, standing)),
    );
}

/** As functions/store/clusters.ts does before the object is made. */
function reserve({ edge, timeline }: World, { wish, record }: StandingWish, spec: ClusterSpec): void {
  const { id } = record;
  if (edge.catalogue.has(id)) return;
  const { now } = timeline;
  const { name, description, tags, accountId } = spec;
  const machines = { machinesReady: 0, machinesWanted: wish.controlPlanes + wish.workers };
  const moments = { createdAt: now, provisionedAt: null, updatedAt: 0, wakeAt: now };
  const whose = { gatewayId: GATEWAY_ID, accountId };
  edge.catalogue.set(id, { id, name, description, tags, phase: 'pending', ...whose, ...machines, ...moments });
}

function end(world: World, standing: StandingWish, kind: 'abort' | 'delete'): void {
  const { record } = standing;
  world.site.trace.say('user', `asks to ${kind} ${record.id}`);
  record.host
    .call(NOBODY(world.site), kind, (logic) =>
      kind === 'abort' ? logic.requestAbort('user') : logic.requestDeletion('user'),
    )
    .then(
      (answer) => {
        if (answer.ok) standing.endAcceptedAt = world.timeline.now;
        else if (answer.error.code === 'USE_ABORT') again(world, () => end(world, standing, 'abort'));
        else if (answer.error.code === 'USE_DELETE') again(world, () => end(world, standing, 'delete'));
        else standing.endRefused = true;
      },
      () => again(world, () => end(world, standing, kind)),
    );
}

const again = (world: World, work: () => void): void =>
  void world.timeline.after(world.site.network.between(AGAIN_MS_MIN, AGAIN_MS_MAX), work);

/** Half of those whose cluster failed abort it, so that what it holds is free again. */
export function abortWhenFailed(world: World, standing: StandingWish): void {
  const { record, endAcceptedAt } = standing;
  if (record.state?.failure == null || endAcceptedAt !== null || standing.wish.end !== null || standing.endRefused)
    return;
  if (standing.hasGivenUp || !world.site.network.chance(0.5)) return;
  standing.hasGivenUp = true;
  end(world, standing, 'abort');
}

/** I19: provisioned, failed with a reason, or deleted. */
export function isTerminal({ wish, record, createdAt, endAcceptedAt, endRefused, hasGivenUp }: StandingWish): boolean {
  const { state } = record;
  if (createdAt === null || state === null) return false;
  if (hasGivenUp && endAcceptedAt === null && !endRefused) return false;
  if (wish.end !== null && endAcceptedAt === null && !endRefused) return false;
  if (state.intent.kind !== 'present') return state.deletedAt !== null;
  return state.provisionedAt !== null || state.failure !== null;
}
