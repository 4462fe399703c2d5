// The host's identity: as it is, by the pairing code, or by a gateway made with the API key.
import { z } from 'zod';
import { GatewayId } from '../../shared/ids.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { readIdentity } from '../identity.ts';
import { type Paired, type Pairing, pair } from '../pair.ts';
import type { Disk } from '../ports.ts';
import { RELAY_VERSION } from '../version.ts';
import type { ConsoleApi } from './console-api.ts';
import type { HostWorld } from './host-install.ts';
import { problem, type Step } from './host-service.ts';
import type { InstallProblem } from './install-problem.ts';
import { patientPost } from './patient-post.ts';
import type { Settings } from './settings.ts';

/** What the installer must remember when it is stopped half-way. No secret. */
export const INSTALL_FILE = 'install.json';
const Progress = z.strictObject({
  v: z.literal(1),
  name: z.string(),
  /** Of the request that makes the gateway, so that a lost answer makes no second one. */
  repeatKey: z.string(),
  gatewayId: GatewayId.nullable(),
});
type Progress = z.infer<typeof Progress>;

export type PairingWorld = Pick<
  HostWorld,
  'openState' | 'post' | 'api' | 'now' | 'random' | 'say' | 'timers' | 'craft'
>;

/** May be repeated: who is paired stays paired, and a gateway is made once. */
export async function pairHost(
  settings: Settings,
  { folder, hostname }: { readonly folder: string; readonly hostname: string },
  world: PairingWorld,
): Step<Pick<Paired, 'identity' | 'already'>> {
  const disk = await world.openState(folder);
  if (!disk.ok) return problem('state folder', 'HOST_NOT_WRITABLE', disk.error.detail);
  const identity = await readIdentity(disk.value);
  if (!identity.ok) return problem('state folder', 'HOST_COMMAND_FAILED', identity.error.detail);
  const known = identity.value;
  if (known !== null && known.origin === settings.console && known.gatewayName === settings.name)
    return ok({ identity: known, already: true });
  if (known !== null && settings.pairingCode === null) return elsewhere(known.gatewayName, known.origin);
  const code = settings.pairingCode ?? (await codeByKey(settings, disk.value, world));
  if (typeof code !== 'string') return code;
  const pairing: Pairing = {
    code,
    console: settings.console,
    hostname,
    relayVersion: RELAY_VERSION,
    replace: false,
    now: world.now(),
  };
  const paired = await pair(pairing, disk.value, patientPost(world.post, world.timers, world.say), world.craft);
  if (paired.ok) return paired;
  if (known !== null) return elsewhere(known.gatewayName, known.origin);
  return err({ where: 'pairing', code: 'PAIRING_FAILED', detail: paired.error.message, todo: paired.error.todo });
}

const elsewhere = (name: string, origin: string): Result<never, InstallProblem> =>
  problem('pairing', 'HOST_PAIRED_ELSEWHERE', `this host is gateway ${name} of ${origin} already`);

async function codeByKey(
  settings: Settings,
  disk: Disk,
  { api, random }: PairingWorld,
): Promise<string | Result<never, InstallProblem>> {
  if (api === null) return problem('console', 'CREDENTIAL_MISSING', 'there is neither a pairing code nor an API key');
  const kept = await readProgress(disk, settings.name);
  if (!kept.ok) return kept;
  const repeatKey = kept.value?.repeatKey ?? `install-${Buffer.from(random(16)).toString('hex')}`;
  const progress: Progress = kept.value ?? { v: 1, name: settings.name, repeatKey, gatewayId: null };
  if (progress.gatewayId !== null) return newCode(api, progress.gatewayId);
  const begun = await writeProgress(disk, progress);
  if (!begun.ok) return begun;
  const made = await api.createGateway(settings.name, repeatKey);
  if (made.ok) {
    const written = await writeProgress(disk, { ...progress, gatewayId: made.value.id });
    return written.ok ? made.value.pairingCode : written;
  }
  if (made.error.code !== 'GATEWAY_NAME_TAKEN') return err({ ...made.error, where: 'gateway' });
  return unpairedOfThatName(settings.name, api);
}

/** One that was made earlier and never paired is what is meant; one in use is somebody's. */
async function unpairedOfThatName(name: string, api: ConsoleApi): Promise<string | Result<never, InstallProblem>> {
  const found = await api.gatewayNamed(name);
  if (!found.ok) return err({ ...found.error, where: 'gateway' });
  if (found.value === null || found.value.phase !== 'unpaired')
    return problem('gateway', 'GATEWAY_NAME_TAKEN', `${name} is a gateway in use`);
  return newCode(api, found.value.id);
}

async function newCode(api: ConsoleApi, id: GatewayId): Promise<string | Result<never, InstallProblem>> {
  const made = await api.newCode(id);
  return made.ok ? made.value.pairingCode : err({ ...made.error, where: 'gateway' });
}

/** Null for none, or one of another name: then the file was edited. */
async function readProgress(disk: Disk, name: string): Promise<Result<Progress | null, InstallProblem>> {
  const bytes = await disk.read(INSTALL_FILE);
  if (!bytes.ok) return problem('state folder', 'HOST_COMMAND_FAILED', bytes.error.detail);
  if (bytes.value === null) return ok(null);
  const progress = Progress.safeParse(parseJson(Buffer.from(bytes.value).toString('utf8')));
  if (!progress.success) return problem('state folder', 'HOST_COMMAND_FAILED', `${INSTALL_FILE} is damaged: remove it`);
  return ok(progress.data.name === name ? progress.data : null);
}

async function writeProgress(disk: Disk, progress: Progress): Promise<Result<null, InstallProblem>> {
  const written = await disk.replace(INSTALL_FILE, Buffer.from(`${JSON.stringify(progress)}\n`));
  return written.ok ? ok(null) : problem('state folder', 'HOST_COMMAND_FAILED', written.error.detail);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
