// One seed, from the first wish to the last word.
import { EdgeCount } from './edge-count.ts';
import { FATES } from './faults.ts';
import { checkGatewayQuiet } from './gateway-audit.ts';
import { catalogueBehind, Invariants } from './invariants.ts';
import { MaasAudit } from './maas-audit.ts';
import { Nemesis } from './nemesis.ts';
import type { OwnUpgrade } from './own-upgrade.ts';
import type { Scenario } from './scenario.ts';
import type { CrashPoint } from './site.ts';
import { abortWhenFailed, isTerminal, makeWishes, type StandingWish } from './wishes.ts';
import { START_MS, World, type WorldOptions } from './world.ts';

export type SeedResult = {
  readonly seed: number;
  readonly hash: string;
  readonly events: number;
  readonly simulatedMs: number;
  readonly violations: readonly string[];
  readonly faults: Readonly<Record<string, number>>;
  readonly endings: readonly string[];
  /** How often each edge of the state machines was passed. */
  readonly edges: Readonly<Record<string, number>>;
  /** Moments at which something could have been lost. */
  readonly points: readonly CrashPoint[];
  /** The last lines of the trace, when something was violated. */
  readonly recent: readonly string[];
};

/** I19, counted from the last fault; a machine's own delay (it must be found dead first) comes on top. */
const TERMINAL_MS = 30 * 60_000;
const OWN_DELAY_MS = 15 * 60_000;
const LOOK_MS = 10_000;
const HIBERNATE_MS = 20_000;
/** After everything is terminal: what was in flight must not undo it. */
const AFTERMATH_MS = 3 * 60_000;
const EVENTS_MAX = 400_000;

/** To be called outside of promises (microtasks.ts). */
export function runSeed(scenario: Scenario, options: WorldOptions = {}): SeedResult {
  const world = new World(scenario, options);
  const audit = new MaasAudit(world);
  const invariants = new Invariants(world, audit);
  const edges = new EdgeCount();
  invariants.onCommit = (before, state) => edges.committed(before, state);
  world.onNode = (node) => audit.nodeOpened(node);
  if (world.gateway?.upgrade != null) watchUpgrade(world, world.gateway.upgrade, edges);
  world.open();
  new Nemesis(world);
  const wishes = makeWishes(world);
  hibernateNowAndThen(world);
  try {
    runUntilQuiet(world, invariants, wishes);
    invariants.checkQuiet(wishes);
    if (world.gateway !== null) checkGatewayQuiet(world, world.gateway);
  } catch (error) {
    // What throws out of an event is a bug of the product or of the simulator: either way this seed shows it.
    world.site.violate('broke', error instanceof Error ? (error.stack ?? error.message).slice(0, 500) : String(error));
  }
  const { site, timeline } = world;
  edges.machines(world.region.transitions);
  countFates(world);
  const endings = [
    ...wishes.map(({ record }) => endingOf(record.state)),
    ...(world.gateway === null ? [] : [world.gateway.ending()]),
  ];
  world.close();
  return {
    seed: scenario.seed,
    hash: site.trace.hash,
    events: timeline.events,
    simulatedMs: timeline.now - START_MS,
    violations: site.violations,
    faults: Object.fromEntries(site.faults.fired),
    edges: Object.fromEntries(edges.counts),
    points: site.points,
    endings,
    recent: site.violations.length > 0 ? [...site.trace.recent] : [],
  };
}

function runUntilQuiet(world: World, invariants: Invariants, wishes: readonly StandingWish[]): void {
  const { site, timeline } = world;
  let lookAt = START_MS + LOOK_MS;
  let calmSince: number | null = null;
  for (;;) {
    if (!world.step(Number.MAX_SAFE_INTEGER)) return;
    invariants.checkNow();
    if (site.violations.length > 0) return;
    if (timeline.events > EVENTS_MAX) return site.violate('I17', `${EVENTS_MAX} events and no end`);
    if (timeline.now < lookAt) continue;
    lookAt = timeline.now + LOOK_MS;
    for (const standing of wishes) abortWhenFailed(world, standing);
    const isLooking = somebodyLooks(world);
    const isOver = site.faults.isOver && (world.gateway?.isTerminal() ?? true);
    const isDone = isOver && isLooking && wishes.every((wish) => isTerminal(wish) && isSettled(wish));
    // A row that was not written waits for the sweep, when its object's alarm was lost for good.
    const isCalm = isDone && catalogueBehind(world).length === 0;
    calmSince = isCalm ? (calmSince ?? timeline.now) : null;
    if (calmSince !== null && timeline.now >= calmSince + AFTERMATH_MS) return;
    const free = world.gateway?.quarantineUntil() ?? 0;
    if (timeline.now > Math.max(lastWishAt(world, wishes), site.faults.until, free) + TERMINAL_MS + OWN_DELAY_MS)
      return;
  }
}

/**
 * What was done by hand while no relay looked is known only when one looks again. At rest the edge asks nothing, so a leader that
 * died in silence is taken for one that looks until TCP has given it up.
 */
function somebodyLooks({ nodes, edge }: World): boolean {
  const isMistaken = [...edge.links].some((link) => link.isEdgeOpen && link.wasGivenUp);
  return !isMistaken && nodes.every(({ process }) => process !== null);
}

/** Nothing is on its way back any more, or it will never be. */
function isSettled({ record }: StandingWish): boolean {
  return (record.state?.machines ?? []).every(({ leaving }) => leaving === null || leaving.goneAt !== null);
}

function lastWishAt(world: World, wishes: readonly StandingWish[]): number {
  // Users wait for the gateway that they need, as long as that takes.
  const notYet = world.gateway?.lastAskedAt ?? world.timeline.now;
  const asked = wishes.map(({ wish, createdAt }) => (createdAt ?? notYet) + (wish.end?.afterMs ?? 0));
  return Math.max(world.gateway?.lastAskedAt ?? 0, ...asked);
}

function watchUpgrade(world: World, upgrade: OwnUpgrade, edges: EdgeCount): void {
  const { gateway } = world.edge;
  gateway.onCommit = () => edges.upgraded(upgrade.state(), upgrade.queued());
  const { onRelayLog } = world;
  world.onRelayLog = (node, process, event, fields) => {
    onRelayLog(node, process, event, fields);
    edges.exchanged(node.name, event);
    upgrade.releases.lives.hear(node, event, fields);
  };
}

/** A fate has struck when its machine was ever used. */
function countFates({ region, site }: World): void {
  const used = new Set(region.transitions.map(({ machine }) => region.machines.get(machine)?.hostname ?? ''));
  for (const fate of FATES) if ([...used].some((name) => name.startsWith(fate))) site.faults.count(`fate-${fate}`);
}

function hibernateNowAndThen(world: World): void {
  world.timeline.after(HIBERNATE_MS, () => {
    world.edge.hibernate();
    hibernateNowAndThen(world);
  });
}

function endingOf(state: StandingWish['record']['state']): string {
  if (state === null) return 'never created';
  if (state.deletedAt !== null) return state.intent.kind;
  if (state.failure !== null) return `failed ${state.failure.code}`;
  return state.provisionedAt === null ? 'unfinished' : 'provisioned';
}
