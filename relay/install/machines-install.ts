// `install -s` without --host: the gateway on machines of MAAS. This host is its relay for the time, registers the default
// account and which machines to take (I1), serves until their own relays have taken over, and leaves (I4).
import type { GatewayId } from '../../shared/ids.ts';
import type { Installation, InstallationState } from '../../shared/installation.ts';
import type { AccountFacts } from '../../shared/inventory.ts';
import { PROBLEM_CODES, problemOf } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { GatewayKey } from '../gateway-key.ts';
import type { Disk, Timers } from '../ports.ts';
import { sealDefaultAccount } from './default-account.ts';
import { minimumsOf, type Placement } from './flavour.ts';
import { problem, type Step } from './host-service.ts';
import type { InstallProblem } from './install-problem.ts';
import { type PairingWorld, pairHost } from './pairing-step.ts';
import { createProgress, type Progress } from './progress.ts';
import type { Settings } from './settings.ts';
import type { TemporaryRelay } from './temporary-relay.ts';

const LOOK_MS = 200;
/** A node asks to leave every 2 s; the console answers at once when others hold the key. */
const LEAVE_MS_MAX = 60_000;
const KEY_HINT_MS = 20_000;

export type MachinesWorld = PairingWorld & {
  readonly state: { readonly folder: string; readonly disk: Disk };
  /** Of the host this runs on. */
  readonly hostname: string;
  readonly timers: Timers;
  /** Never goes back. */
  readonly elapsedMs: () => number;
  readonly interrupted: AbortSignal;
  readonly startRelay: (
    note: (text: string) => void,
    heard: (state: InstallationState) => void,
  ) => Step<TemporaryRelay>;
};

export type MachinesEnd = {
  readonly gateway: { readonly id: GatewayId; readonly name: string };
  readonly state: InstallationState;
};
export type Interruptible<T> = Step<T | 'interrupted'>;

export async function installOnMachines(
  settings: Settings & { readonly placement: Placement },
  facts: AccountFacts,
  world: MachinesWorld,
): Interruptible<MachinesEnd> {
  const progress = createProgress(world.elapsedMs, world.say);
  const paired = await pairHost(settings, { folder: world.state.folder, hostname: world.hostname }, world);
  if (!paired.ok) return paired;
  const { identity, already } = paired.value;
  progress.note(`${already ? 'paired already' : 'paired'}: gateway ${identity.gatewayName} (${identity.gatewayId})`);
  let last: InstallationState | null = null;
  const started = await world.startRelay(progress.note, (state) => {
    last = state;
    progress.show(state);
  });
  if (!started.ok) return started;
  const relay = started.value;
  try {
    const key = await untilActive(relay, progress, world);
    if (!key.ok) return key;
    if (key.value === 'interrupted') return ok(key.value);
    const registered = await register(settings, facts, relay, key.value, world);
    if (!registered.ok) return registered;
    const state = await untilServed(settings.placement.nodes, relay, () => last, world);
    if (!state.ok) return state;
    if (state.value === 'interrupted') return ok(state.value);
    progress.note('the relays on its machines have taken over; this one leaves');
    const left = await leave(relay, world);
    return left.ok ? ok({ gateway: { id: identity.gatewayId, name: identity.gatewayName }, state: state.value }) : left;
  } finally {
    await relay.stop();
  }
}

async function register(
  { maas, sharing, placement, networks }: Settings & { readonly placement: Placement },
  facts: AccountFacts,
  relay: TemporaryRelay,
  key: GatewayKey,
  { state }: MachinesWorld,
): Step<null> {
  const access = await sealDefaultAccount(maas, relay.identity, key, state.disk);
  if (!access.ok) return access;
  const { zone, flavour, nodes } = placement;
  const installation: Installation = {
    // Left out, it is what an older console knows too.
    account: { name: relay.identity.gatewayName, access: access.value, facts, ...(sharing && { sharing }) },
    machines: {
      size: nodes,
      minimums: minimumsOf(flavour),
      zones: zone === null ? [] : [zone],
      podCidr: networks.podCidr,
      serviceCidr: networks.serviceIpRange,
    },
  };
  relay.register(installation);
  return ok(null);
}

type Waiting = Pick<MachinesWorld, 'timers' | 'interrupted' | 'elapsedMs'>;

/** Until `look` finds something, is told to stop, or the console has ended this node. */
export async function untilSeen<T>(
  relay: Pick<TemporaryRelay, 'isRevoked'>,
  { timers, interrupted }: Waiting,
  look: () => Result<T, InstallProblem> | null,
): Interruptible<T> {
  for (;;) {
    const seen = look();
    if (seen !== null) return seen;
    if (interrupted.aborted) return ok('interrupted');
    if (relay.isRevoked())
      return problem('relay', 'NODE_REMOVED', 'the console has ended this node: it or its gateway was removed');
    await new Promise<void>((resolve) => void timers.after(LOOK_MS, resolve));
  }
}

export function untilActive(relay: TemporaryRelay, progress: Progress, waiting: Waiting): Interruptible<GatewayKey> {
  const beganMs = waiting.elapsedMs();
  let hinted = false;
  return untilSeen(relay, waiting, () => {
    const key = relay.activeKey();
    if (key === null && !hinted && waiting.elapsedMs() - beganMs > KEY_HINT_MS) {
      hinted = true;
      progress.note('waits for the gateway’s key: a relay that holds it has to be connected');
    }
    return key === null ? null : ok(key);
  });
}

/** Its machines run, and on each of them is a relay that can do everything. */
function untilServed(
  nodes: number,
  relay: TemporaryRelay,
  last: () => InstallationState | null,
  waiting: Waiting,
): Interruptible<InstallationState> {
  return untilSeen(relay, waiting, () => {
    const state = last();
    if (state === null) return null;
    if (state.refused !== null) return err(refusalOf(state.refused));
    if (state.phase === 'failed') return err(failureOf(state));
    const serving = state.machines.filter(({ relay: one }) => one?.state === 'active' && one.connected);
    return state.phase === 'running' && serving.length === nodes && state.machines.length === nodes ? ok(state) : null;
  });
}

/** A node that the console will not let go stays, and is told of: the installation itself is done. */
async function leave(relay: TemporaryRelay, waiting: Waiting): Step<null> {
  await relay.leave();
  const beganMs = waiting.elapsedMs();
  while (!relay.isRevoked()) {
    if (waiting.elapsedMs() - beganMs > LEAVE_MS_MAX)
      return problem('relay', 'NOT_LET_GO', `the console has not let this node go after ${LEAVE_MS_MAX / 1_000} s`);
    await new Promise<void>((resolve) => void waiting.timers.after(LOOK_MS, resolve));
  }
  return ok(null);
}

function refusalOf({ code, detail }: { readonly code: string; readonly detail: string }): InstallProblem {
  const known = PROBLEM_CODES.find((each) => each === code);
  const todo = known === undefined ? {} : { todo: problemOf({ code: known, detail }, '').todo };
  if (known === 'ACCOUNT_NAME_TAKEN') return { where: 'cloud account', code: known, detail };
  return { where: 'gateway', code: 'CONSOLE_REFUSED', detail: `${detail} (${code})`, ...todo };
}

function failureOf({ failure, waitingOn }: InstallationState): InstallProblem {
  const why = failure == null ? waitingOn.join(' ') : `${failure.message} (${failure.code})`;
  return { where: 'machines', code: 'MACHINES_FAILED', detail: why === '' ? 'its machines have failed' : why };
}
