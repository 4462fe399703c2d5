// The relay as a service of a host: program, unit, user, settings, and who owns its state. Each step looks first and does only
// what is missing.
import { err, ok, type Result } from '../../shared/result.ts';
import type { HostSystem } from '../adapters/host-system.ts';
import type { InstallProblem, Refusal } from './install-problem.ts';

export const UNIT = 'slipway-relay.service';
const SYSUSERS = 'slipway-relay.sysusers.conf';
const USER = 'slipway';
/** As the unit of the release has it. */
const USUAL_STATE = '/var/lib/slipway';

export type HostPlan = {
  /** Before every path; empty: this host itself. */
  readonly prefix: string;
  readonly start: boolean;
};

export type ServicePlace = HostPlan & {
  /** Below /var/lib; without the prefix. */
  readonly state: string;
};

export type ServiceWorld = {
  readonly system: HostSystem;
  /** A file of the release, by its name. */
  readonly packaged: (name: string) => Promise<Result<string, string>>;
  readonly say: (text: string) => void;
};

/** Where, what and what to do; the step says which. */
export type Step<T> = Promise<Result<T, InstallProblem>>;

export const problem = (where: string, code: Refusal['code'], detail: string): Result<never, InstallProblem> =>
  err({ where, code, detail });

export const settingsPath = ({ prefix }: HostPlan): string => `${prefix}/etc/slipway/relay.yaml`;
export const stateFolder = ({ prefix, state }: Pick<ServicePlace, 'prefix' | 'state'>): string => `${prefix}${state}`;

type HostFile = { readonly path: string; readonly text: string; readonly mode: number };

/** @param own files of this installation, settings included */
export async function putService(
  own: readonly HostFile[],
  place: ServicePlace,
  world: ServiceWorld,
): Step<{ readonly changed: boolean }> {
  const { system, say } = world;
  const program = await system.putProgram(`${place.prefix}/usr/local/bin/slipway-relay`);
  if (!program.ok) return problem('program', 'HOST_NOT_WRITABLE', program.error);
  const { command } = program.value;
  const unit = await unitFiles(command, place, world);
  if (!unit.ok) return unit;
  let { changed } = program.value;
  say(`  ${changed ? 'written' : 'as it was'}: ${command}`);
  for (const { path, text, mode } of [...unit.value, ...own]) {
    const put = await system.put(path, text, mode);
    if (!put.ok) return problem('files', 'HOST_NOT_WRITABLE', put.error);
    changed ||= put.value === 'written';
    say(`  ${put.value === 'written' ? 'written' : 'as it was'}: ${path}`);
  }
  return ok({ changed });
}

/** A bundle of the sources has none of them inside; what systemd does not start can do without. */
async function unitFiles(
  command: string,
  { prefix, start, state }: ServicePlace,
  world: ServiceWorld,
): Step<HostFile[]> {
  const unit = await world.packaged(UNIT);
  const sysusers = await world.packaged(SYSUSERS);
  if (!unit.ok || !sysusers.ok) {
    const missing = unit.ok ? (sysusers.ok ? '' : sysusers.error) : unit.error;
    if (start) return problem('program', 'HOST_COMMAND_FAILED', missing);
    world.say(`  no unit for systemd: ${missing}`);
    return ok([]);
  }
  const name = state.slice('/var/lib/'.length);
  return ok([
    {
      path: `${prefix}/etc/systemd/system/${UNIT}`,
      text: unit.value
        .replace(/^ExecStart=.*$/m, `ExecStart=${command} run`)
        .replace(/^StateDirectory=.*$/m, `StateDirectory=${name}`)
        .replaceAll(`=${USUAL_STATE}\n`, `=${state}\n`),
      mode: 0o644,
    },
    {
      path: `${prefix}/etc/sysusers.d/slipway-relay.conf`,
      text: sysusers.value.replace(` ${USUAL_STATE}\n`, ` ${state}\n`),
      mode: 0o644,
    },
  ]);
}

export async function makeUser({ prefix, start }: HostPlan, { system, say }: ServiceWorld): Step<null> {
  const root = prefix === '' ? [] : [`--root=${prefix}`];
  const made = await system.run('systemd-sysusers', [...root, 'slipway-relay.conf']);
  if (made.ok) return ok(null);
  if (start) return problem('user', 'HOST_COMMAND_FAILED', made.error);
  // Not started by systemd, so that it may run as anybody.
  say(`  user ${USER} not made: ${made.error}`);
  return ok(null);
}

export async function giveState(place: ServicePlace, { system, say }: ServiceWorld): Step<null> {
  if (!system.isRoot) {
    say('  state folder left to the user who runs this: only root can give it away');
    return ok(null);
  }
  const user = await system.userOf(`${place.prefix}/etc/passwd`, USER);
  if (user === null) {
    say(`  state folder left to root: there is no user ${USER}`);
    return ok(null);
  }
  const given = await system.giveTo(stateFolder(place), user);
  const shown = given.ok ? await system.giveGroup(settingsPath(place), user.gid) : given;
  return shown.ok ? ok(null) : problem('state folder', 'HOST_COMMAND_FAILED', shown.error);
}

export async function startService(changed: boolean, { system, say }: ServiceWorld): Step<null> {
  for (const args of [['daemon-reload'], ['enable', UNIT], [changed ? 'restart' : 'start', UNIT]]) {
    const done = await system.run('systemctl', args);
    if (!done.ok) return problem('service', 'HOST_COMMAND_FAILED', done.error);
  }
  say(`  service ${UNIT} ${changed ? 'restarted' : 'started'}`);
  return ok(null);
}
