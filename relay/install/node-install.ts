// `install --node FOLDER`: the relay on one of the gateway's own machines, from the files that its bootstrap document left. No
// MAAS key comes here, and nothing is asked. May be repeated; a code that is used up already is needed no more.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import { err, ok } from '../../shared/result.ts';
import type { Identity } from '../identity.ts';
import { readIdentity } from '../identity.ts';
import { type Pairing, pair } from '../pair.ts';
import type { Disk } from '../ports.ts';
import { RELAY_VERSION } from '../version.ts';
import { untilConnected } from './connected-step.ts';
import type { HostWorld } from './host-install.ts';
import {
  giveState,
  type HostPlan,
  makeUser,
  problem,
  putService,
  type ServicePlace,
  type Step,
  settingsPath,
  startService,
  stateFolder,
} from './host-service.ts';
import { type NodeSettings, readNodeSettings } from './node-settings.ts';

/** Not the relay's usual folder: there lies what root runs while the machine enrols, and the relay's user may write to its own. */
const STATE = '/var/lib/slipway-relay';
const SETTINGS_FILE = 'relay.yaml';
const CODE_FILE = 'pairing-code';

/** What the document left. */
export async function readNodeFolder(folder: string, { system }: Pick<HostWorld, 'system'>): Step<NodeSettings> {
  const path = join(folder, SETTINGS_FILE);
  const text = await system.read(path);
  if (!text.ok || text.value === null)
    return problem('--node', 'CONFIG_UNREADABLE', text.ok ? `${path} is not there` : text.error);
  const settings = readNodeSettings(text.value);
  return settings.ok ? settings : problem('--node', 'CONFIG_UNREADABLE', `${path} ${settings.error}`);
}

export async function installNode(
  folder: string,
  settings: NodeSettings,
  { prefix, start }: HostPlan,
  world: HostWorld,
): Step<{ readonly identity: Identity; readonly connected: boolean }> {
  const place: ServicePlace = { prefix, start, state: STATE };
  const files = await putService(filesOf(settings, place), place, world);
  if (!files.ok) return files;
  const user = await makeUser(place, world);
  if (!user.ok) return user;
  const paired = await pairNode(folder, settings, stateFolder(place), hostname(), world);
  if (!paired.ok) return paired;
  const { identity, already } = paired.value;
  world.say(`  ${already ? 'paired already' : 'paired'}: gateway ${identity.gatewayName}, node ${identity.nodeId}`);
  const owned = await giveState(place, world);
  if (!owned.ok) return owned;
  const startedAt = world.now();
  if (!start) return ok({ identity, connected: false });
  const started = await startService(files.value.changed || !already, world);
  if (!started.ok) return started;
  const connected = await untilConnected(identity, { wait: true, startedAt }, world);
  return connected.ok ? ok({ identity, connected: connected.value }) : connected;
}

function filesOf(
  { console, siteAuthorities, proxy, enrolment, maasEndpoints, releaseKey, logLevel }: NodeSettings,
  place: ServicePlace,
) {
  const caFile = `${place.prefix}/etc/slipway/console-authorities.pem`;
  const settings = {
    stateDir: stateFolder(place),
    console,
    caFile: siteAuthorities === null ? null : caFile,
    proxy,
    enrolment,
    maasEndpoints,
    releaseKey,
    logLevel,
  };
  const text = `# Settings of slipway-relay on a machine of its gateway, by \`slipway-relay install --node\`.\n${dump(settings, { lineWidth: -1 })}`;
  return [
    ...(siteAuthorities === null ? [] : [{ path: caFile, text: siteAuthorities, mode: 0o644 }]),
    // Others must not read it: a proxy's password may be in it.
    { path: settingsPath(place), text, mode: 0o640 },
  ];
}

export type NodePairingWorld = Pick<HostWorld, 'openState' | 'post' | 'now' | 'craft'> & {
  /** Of the program that pairs; left out: this one. */
  readonly version?: string;
  readonly system: Pick<HostWorld['system'], 'read'>;
};

/** @param host the name of this machine. May be repeated: who has won the code gets the same answer again. */
export async function pairNode(
  folder: string,
  { console, object }: NodeSettings,
  state: string,
  host: string,
  world: NodePairingWorld,
): Step<{ readonly identity: Identity; readonly already: boolean }> {
  const disk = await world.openState(state);
  if (!disk.ok) return problem('state folder', 'HOST_NOT_WRITABLE', disk.error.detail);
  const code = await world.system.read(join(folder, CODE_FILE));
  if (!code.ok) return problem('pairing', 'SECRET_UNREADABLE', code.error);
  if (code.value === null) return pairedBefore(disk.value, folder);
  const pairing: Pairing = {
    code: code.value,
    console,
    object,
    hostname: host,
    relayVersion: world.version ?? RELAY_VERSION,
    // A machine that was bootstrapped again has a new code, and its node takes the place of the former.
    replace: true,
    now: world.now(),
  };
  const paired = await pair(pairing, disk.value, world.post, world.craft);
  if (paired.ok) return paired;
  return err({ where: 'pairing', code: 'PAIRING_FAILED', detail: paired.error.message, todo: paired.error.todo });
}

async function pairedBefore(
  disk: Disk,
  folder: string,
): Step<{ readonly identity: Identity; readonly already: boolean }> {
  const identity = await readIdentity(disk);
  if (!identity.ok) return problem('state folder', 'HOST_COMMAND_FAILED', identity.error.detail);
  if (identity.value !== null) return ok({ identity: identity.value, already: true });
  return problem(
    'pairing',
    'CREDENTIAL_MISSING',
    `${join(folder, CODE_FILE)} is not there, and this host is not paired`,
  );
}
