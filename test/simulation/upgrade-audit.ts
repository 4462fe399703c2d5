// What an upgrade of a gateway may not have done (I20; SPEC.md UP1-UP10, QU1-QU4, RO1-RO8; PROTOCOL.md U1-U6): while it goes on,
// and when all is quiet.
import { type ClusterState, slotsOf } from '../../functions/plan/cluster-state.ts';
import { isOutdated } from '../../functions/plan/gateway-rollout.ts';
import { hasEnded, type UpgradeState } from '../../functions/plan/upgrade-state.ts';
import type { ClusterRecord } from './edge.ts';
import type { OwnGateway } from './own-gateway.ts';
import type { OwnUpgrade } from './own-upgrade.ts';
import { isGood } from './upgrade-scenario.ts';
import type { World } from './world.ts';

/** Its accepted programs, and one on its way. */
const PROGRAMS_MAX = 3;

/** After each commit of a cluster's object. */
export function checkUpgradeStep(world: World, record: ClusterRecord, before: ClusterState | null): void {
  const { site } = world;
  const { state, id } = record;
  if (state === null) return;
  const [was, is] = [before?.queued ?? null, state.queued];
  if (is !== null && Object.keys(state.pending).length > 0)
    site.violate('QU1', `${id} stands in line and asks for ${Object.keys(state.pending).join(' ')}`);
  if (was !== null && is !== null && is.ahead > was.ahead)
    site.violate('U6', `${id} had ${was.ahead} ahead of it in line, and now ${is.ahead}`);
  if (state.kind === 'gateway') return;
  for (const { claim, leaving } of state.machines)
    if (leaving?.code === 'outdated') site.violate('I20', `${claim} of a user's cluster is replaced by the upgrade`);
}

export function checkUpgradeQuiet(world: World, gateway: OwnGateway, upgrade: OwnUpgrade): void {
  const state = upgrade.state();
  if (state === null) return checkRefused(world, upgrade);
  if (!hasEnded(state)) return;
  checkEnd(world, upgrade, state);
  checkPrograms(world, gateway, upgrade, state);
  checkMachines(world, gateway, upgrade, state);
  for (const { id, state: cluster } of world.edge.clusters.values())
    if (cluster?.queued != null && cluster.deletedAt === null)
      world.site.violate('QU2', `${id} stands in line, and the upgrade has ended`);
  if (upgrade.queued() > 0) world.site.violate('U6', `${upgrade.queued()} clusters stand in line for nothing`);
}

function checkRefused({ site }: World, { answer, plan }: OwnUpgrade): void {
  const wanted = plan.publishing === 'older' ? 'UPGRADE_NOT_NEWER' : plan.window === null ? 'taken' : 'WINDOW_INVALID';
  if (answer !== wanted) site.violate('UP9', `the upgrade was asked for and nothing is stored; it was ${answer}`);
}

/** What was asked for is what has come of it, as far as faults allow. */
function checkEnd({ site, scenario }: World, upgrade: OwnUpgrade, state: UpgradeState): void {
  const { plan } = upgrade;
  const { stage, failure } = state;
  const what = `the upgrade is ${upgrade.ending()}`;
  if (stage === 'failed' && (failure === null || failure.message === ''))
    site.violate('UP4', `${what}, and says nothing`);
  if (plan.publishing === 'older') site.violate('UP9', `${what}, of an older release`);
  if (stage === 'done' && !isGood(plan))
    site.violate('U1', `${what}, of a release that is ${plan.publishing}, ${plan.conduct}`);
  if (stage === 'missed' && plan.window === null) site.violate('UP1', `${what}, and had no window`);
  if (stage === 'cancelled' && plan.cancelAfterMs === null) site.violate('UP9', `${what}, and nobody has cancelled it`);
  if (failure?.code === 'RELEASE_UNTRUSTED' && ['signed', 'older'].includes(plan.publishing))
    site.violate('U1', `${what}: ${failure.message}`);
  // A new program that is lost before it was accepted is rolled back, and has to be (U4).
  const isLost = site.hasPlan && failure?.code === 'RELEASE_ROLLED_BACK';
  if (!scenario.withFaults && stage !== 'done' && upgrade.isBound && !isLost)
    site.violate('I20', `${what}: ${failure?.message}`);
}

/** What serves is what the state says, and no store grows. */
function checkPrograms(world: World, gateway: OwnGateway, { releases, plan }: OwnUpgrade, state: UpgradeState): void {
  const { site, edge } = world;
  const { stage, to, failure } = state;
  const versions = gateway.relays.nodes().map((node) => ({
    name: node.name,
    version: releases.runningOn(node).version,
    stored: gateway.relays.programsOf(node)?.versions() ?? [],
    serves: edge.linksOf(node.name).length > 0,
    fellBack: releases.lives.hasFallenBack(node),
  }));
  const serving = versions.filter(({ serves }) => serves);
  const said = versions.map(({ name, version }) => `${name} ${version}`).join(', ');
  for (const { name, stored } of versions)
    if (stored.length > PROGRAMS_MAX) site.violate('I17', `${name} keeps the programs ${stored.join(' ')}`);
  if (stage === 'done' && serving.some(({ version, fellBack }) => version !== to && !fellBack))
    site.violate('UP2', `the upgrade to ${to} is done: ${said}`);
  if (!isGood(plan) && serving.some(({ version }) => version === to))
    site.violate('U4', `nobody can run ${to} for good: ${said}`);
  if (failure?.code === 'RELEASE_ROLLED_BACK' && versions.length > 0 && serving.every(({ version }) => version === to))
    site.violate('UP4', `the upgrade is rolled back, and all run ${to}: ${said}`);
}

/** Its machines are as many as they were, and all run the same. */
function checkMachines(world: World, gateway: OwnGateway, { releases }: OwnUpgrade, { stage }: UpgradeState): void {
  const { site } = world;
  const state = gateway.own()?.state ?? null;
  if (state === null || state.intent.kind !== 'present') return;
  const wanted = releases.published?.manifest.machines ?? null;
  if (stage !== 'done' || wanted === null) return;
  const current = state.machines.filter(({ leaving }) => leaving === null);
  const size = slotsOf(state.spec).length;
  if (current.length > size) site.violate('RO6', `${current.length} machines stand in ${size} slots after the upgrade`);
  const old = state.machines.filter((machine) => machine.leaving === null && isOutdated(state, machine));
  if (old.length > 0) site.violate('RO6', `${old.map(({ claim }) => claim).join(' ')} run what was before the upgrade`);
  for (const { leaving, claim, revision } of state.machines)
    if (leaving === null && revision === null) site.violate('RO1', `nobody knows what ${claim} runs`);
}
