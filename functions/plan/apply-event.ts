// Pure. No I/O, no clock. Folds one fact into the state and decides nothing (SPEC.md [CL1]-[CL3]). Total: what is unknown,
// stale or repeated is counted and changes nothing else.
import type { AccountAccess } from '../../shared/command.ts';
import { isWatched } from '../../shared/observation.ts';
import { assertNever } from '../../shared/result.ts';
import { applyFact } from './apply-fact.ts';
import { applyMachines } from './apply-machines.ts';
import { applyOutcome } from './apply-outcome.ts';
import { applyRelays } from './apply-relays.ts';
import type { ClusterEvent } from './cluster-event.ts';
import type { Absence, ClusterState } from './cluster-state.ts';

/** Remembered of a gateway, besides the last. */
const ABSENCES_MAX = 32;

/** The state after `event`. Null stays null until `spec-accepted`. Repeating an event changes nothing but the count. */
export function applyEvent(state: ClusterState | null, event: ClusterEvent): ClusterState | null {
  if (state === null) return event.kind === 'spec-accepted' ? firstState(event) : null;
  if (state.deletedAt !== null) return ignore(state);
  switch (event.kind) {
    case 'spec-accepted':
      return ignore(state);
    case 'account-changed':
      return withAccount(state, event.account);
    case 'command-settled':
      return applyOutcome(state, event.commandId, event.outcome, event.at) ?? ignore(state);
    case 'observed':
      return onFact(state, event);
    case 'gateway-connected':
      return gatewaySeen(state, event);
    case 'abort-requested':
      return withIntent(state, 'aborted', event);
    case 'deletion-requested':
      return withIntent(state, 'deleted', event);
    case 'resized':
      return withSize(state, event);
    case 'machines-changed':
      return applyMachines(state, event.release, event.at) ?? ignore(state);
    case 'relays-changed':
      return applyRelays(state, event) ?? ignore(state);
    default:
      return assertNever(event);
  }
}

type GatewayWord = Extract<ClusterEvent, { kind: 'gateway-connected' }>;

function gatewaySeen(state: ClusterState, event: GatewayWord): ClusterState {
  const { connected, at } = event;
  const queued = queuedBy(state, event);
  const before = state.gateway;
  const isSame = before?.connected === connected;
  if (isSame && queued?.ahead === state.queued?.ahead) return ignore(state);
  if (isSame) return { ...state, queued };
  const awayFrom = connected ? (before?.since ?? null) : null;
  const last = before?.awayFrom == null ? [] : [{ from: before.awayFrom, to: before.since }];
  const earlier = bounded([...(before?.earlier ?? []), ...last]);
  return { ...state, gateway: { connected, since: at, awayFrom, earlier }, queued };
}

/** Who has begun stands in no line, whatever is said ([QU4]). */
function queuedBy(state: ClusterState, { ahead = null, at }: GatewayWord): ClusterState['queued'] {
  const hasBegun = state.machines.length > 0 || state.provisionedAt !== null || state.failure !== null;
  if (ahead === null || hasBegun || state.kind === 'gateway' || state.intent.kind !== 'present') return null;
  return { ahead, since: state.queued?.since ?? at };
}

/** Of too many the two oldest become one: what is that long ago is judged late rather than early. */
function bounded(absences: Absence[]): Absence[] {
  const [first, second, ...rest] = absences;
  if (absences.length <= ABSENCES_MAX || first === undefined || second === undefined) return absences;
  return [{ from: first.from, to: second.to }, ...rest];
}

/**
 * Any fact shows that the watch stands again. What a watch saw does not count from a letter that was overtaken on its way: it says
 * how things were, and since nobody acknowledged it, how they are is told again (L9).
 */
function onFact(
  state: ClusterState,
  { fact, at, letter = state.letter }: Extract<ClusterEvent, { kind: 'observed' }>,
): ClusterState {
  if (letter < state.letter && isWatched(fact)) return ignore(state);
  const { 'cluster/observe-cluster': over, ...troubles } = state.troubles;
  const heard = { ...state, letter: Math.max(letter, state.letter) };
  const seen = over === undefined ? heard : { ...heard, troubles };
  return applyFact(seen, fact, at) ?? ignore(seen);
}

function ignore(state: ClusterState): ClusterState {
  return { ...state, ignored: state.ignored + 1 };
}

/** The end can be asked for once; it raises the generation, so nothing older can act any more (G1, I10). */
function withIntent(
  state: ClusterState,
  kind: 'aborted' | 'deleted',
  event: { at: number; actor: string },
): ClusterState {
  if (state.intent.kind !== 'present') return ignore(state);
  return { ...state, generation: state.generation + 1, intent: { kind, at: event.at, actor: event.actor } };
}

/** Gateways only, and growing only: a smaller control plane would mean to choose whom to lose ([GW6]). Not in a rollout ([RO8]). */
function withSize(state: ClusterState, { size, at }: Extract<ClusterEvent, { kind: 'resized' }>): ClusterState {
  const pool = state.spec.pools.find(({ role }) => role === 'control-plane');
  const may = state.kind === 'gateway' && state.intent.kind === 'present' && state.rolling === null;
  if (!may || pool === undefined || size <= pool.size) return ignore(state);
  const pools = state.spec.pools.map((other) => (other === pool ? { ...other, size } : other));
  const growing = state.provisionedAt === null ? null : { from: state.growing?.from ?? pool.size, to: size, at };
  return { ...state, generation: state.generation + 1, growing, spec: { ...state.spec, pools } };
}

/** New access: what failed with the old one may be tried at once. */
function withAccount(state: ClusterState, account: AccountAccess): ClusterState {
  if (account.accountId !== state.account.accountId) return ignore(state);
  const troubles = Object.entries(state.troubles).filter(([, trouble]) => !trouble.code.startsWith('MAAS_'));
  return { ...state, account, troubles: Object.fromEntries(troubles) };
}

function firstState(event: Extract<ClusterEvent, { kind: 'spec-accepted' }>): ClusterState {
  const { at, scope, clusterId, gatewayId, gatewayScope = null, cluster, account, spec, profile } = event;
  return {
    version: 1,
    scope,
    clusterId,
    gatewayId,
    gatewayScope,
    kind: cluster,
    letter: 0,
    relays: [],
    relaysNotice: 0,
    relaysRevoked: [],
    growing: null,
    rolling: null,
    account,
    spec,
    profile,
    generation: 1,
    createdAt: at,
    intent: { kind: 'present', at, actor: '' },
    provisionedAt: null,
    deletedAt: null,
    failure: null,
    gateway: null,
    queued: null,
    identity: null,
    address: null,
    inventory: null,
    shortage: null,
    filledAt: null,
    machines: [],
    departed: [],
    slots: {},
    quarantine: {},
    nodes: {},
    api: null,
    etcd: null,
    maas: null,
    layersApplied: [],
    watching: null,
    pending: {},
    attempts: {},
    troubles: {},
    projected: null,
    ignored: 0,
  };
}
