// `uninstall`: a gateway on machines of MAAS is given back. Its own relays can't see that through, so this host is one of them
// for the time (I5): it asks for the deletion, serves until the console closes it, and says what was given back.
import type { GatewayId } from '../../shared/ids.ts';
import { err, ok } from '../../shared/result.ts';
import { type Identity, readIdentity } from '../identity.ts';
import type { ConsoleApi, Gateway } from './console-api.ts';
import { problem, type Step } from './host-service.ts';
import { type Interruptible, type MachinesWorld, untilActive, untilSeen } from './machines-install.ts';
import { pairHost } from './pairing-step.ts';
import { createProgress, type MachinesState, type Progress } from './progress.ts';
import type { Settings } from './settings.ts';
import type { TemporaryRelay } from './temporary-relay.ts';

const ASK_MS = 2_000;
/** From the end of this node to the console no longer knowing the gateway. */
const FORGOTTEN_MS_MAX = 15_000;

export type Uninstalled = {
  readonly gateway: { readonly id: GatewayId; readonly name: string };
  /** Those it had, as the console showed them first; empty without an API key. */
  readonly machines: NonNullable<Gateway['machines']>['machines'];
};

type Target = Uninstalled & { readonly isGone: boolean };

export async function uninstallGateway(settings: Settings, world: MachinesWorld): Interruptible<Uninstalled> {
  const progress = createProgress(world.elapsedMs, world.say);
  const known = await readIdentity(world.state.disk);
  if (!known.ok) return problem('state folder', 'HOST_COMMAND_FAILED', known.error.detail);
  const { api } = world;
  const target = api === null ? null : await askForDeletion(settings.name, known.value, api, progress);
  if (target?.ok === false) return target;
  if (target?.value.isGone) return ok(target.value);
  const code = await codeFor(settings, target?.value ?? null, known.value !== null, world);
  if (!code.ok) return code;
  const paired = await pairHost(
    { ...settings, pairingCode: code.value },
    { folder: world.state.folder, hostname: world.hostname },
    world,
  );
  if (!paired.ok) return paired;
  const { gatewayId, gatewayName } = paired.value.identity;
  progress.note(`${paired.value.already ? 'paired already' : 'paired'}: gateway ${gatewayName} (${gatewayId})`);
  const started = await world.startRelay(progress.note, () => {});
  if (!started.ok) return started;
  try {
    const served = await serveToTheEnd(started.value, progress, world);
    if (!served.ok) return served;
    if (served.value === 'interrupted') return ok(served.value);
    return ok({ gateway: { id: gatewayId, name: gatewayName }, machines: target?.value.machines ?? [] });
  } finally {
    await started.value.stop();
  }
}

/** Refused before anything is begun while it has clusters. */
async function askForDeletion(name: string, known: Identity | null, api: ConsoleApi, progress: Progress): Step<Target> {
  const found = await api.gatewayNamed(name);
  if (!found.ok) return err({ ...found.error, where: 'gateway' });
  // It was deleted while nobody looked.
  if (found.value === null && known?.gatewayName === name)
    return ok({ gateway: { id: known.gatewayId, name }, machines: [], isGone: true });
  if (found.value === null) return problem('gateway', 'GATEWAY_UNKNOWN', `the console knows no gateway ${name}`);
  const { id, machines } = found.value;
  const asked = await api.deleteGateway(id);
  if (!asked.ok) return err({ ...asked.error, where: 'gateway' });
  const isGone = asked.value === 'gone';
  progress.note(`gateway ${name} (${id}): ${isGone ? 'deleted' : 'deletion asked for'}`);
  return ok({ gateway: { id, name }, machines: machines?.machines ?? [], isGone });
}

/** Null: this folder is paired already. */
async function codeFor(
  { pairingCode }: Settings,
  target: Target | null,
  isPaired: boolean,
  { api }: MachinesWorld,
): Step<string | null> {
  if (isPaired) return ok(null);
  if (api === null || target === null) return ok(pairingCode);
  const made = await api.newCode(target.gateway.id);
  return made.ok ? ok(made.value.pairingCode) : err({ ...made.error, where: 'gateway' });
}

async function serveToTheEnd(relay: TemporaryRelay, progress: Progress, world: MachinesWorld): Interruptible<'ended'> {
  const { api } = world;
  const key = await untilActive(relay, progress, world);
  // Run again when little was left to do, the gateway may be gone before this node was looked at; the console knows.
  if (!key.ok && (api === null || !relay.isRevoked())) return key;
  if (key.ok && key.value === 'interrupted') return ok(key.value);
  const { gatewayId, gatewayName } = relay.identity;
  if (api === null) progress.note(`now delete gateway ${gatewayName} in the console; this relay sees it through`);
  const look = api === null ? null : lookAt(api, relay, progress, world);
  const ended = await untilSeen({ isRevoked: () => false }, world, () => {
    if (relay.isRevoked() || look?.isForgotten()) return ok('ended' as const);
    look?.again();
    return null;
  });
  if (!ended.ok || ended.value === 'interrupted' || api === null) return ended;
  return (await isForgotten(api, relay, world))
    ? ended
    : problem('relay', 'NODE_REMOVED', `the console has ended this node, and still has gateway ${gatewayId}`);
}

/** Asks the console how far it is, not more often than it is told. */
function lookAt(api: ConsoleApi, { identity }: TemporaryRelay, progress: Progress, { elapsedMs }: MachinesWorld) {
  let askedMs = Number.NEGATIVE_INFINITY;
  let isGone = false;
  const ask = async (): Promise<void> => {
    const gateway = await api.gateway(identity.gatewayId);
    if (gateway.ok && gateway.value.machines !== null) progress.show(stateOf(gateway.value.machines));
    isGone = !gateway.ok && gateway.error.problem === 'NOT_FOUND';
  };
  return {
    isForgotten: () => isGone,
    again: () => {
      if (elapsedMs() - askedMs < ASK_MS) return;
      askedMs = elapsedMs();
      void ask();
    },
  };
}

const stateOf = ({ phase, waitingOn, machines }: NonNullable<Gateway['machines']>): MachinesState => ({
  phase,
  waitingOn: waitingOn.map(({ sentence }) => sentence),
  machines: machines.map(({ slot, hostname: host, phase: at }) => ({ slot, hostname: host, phase: at, relay: null })),
});

async function isForgotten(api: ConsoleApi, { identity }: TemporaryRelay, world: MachinesWorld): Promise<boolean> {
  const untilMs = world.elapsedMs() + FORGOTTEN_MS_MAX;
  for (;;) {
    const gateway = await api.gateway(identity.gatewayId);
    if (!gateway.ok && gateway.error.problem === 'NOT_FOUND') return true;
    if (world.elapsedMs() > untilMs) return false;
    await new Promise<void>((resolve) => void world.timers.after(ASK_MS / 4, resolve));
  }
}
