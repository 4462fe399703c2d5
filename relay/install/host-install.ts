// `install --host`: the relay on this host under systemd. Each step looks first and does only what is missing, so the same
// command again, with an edited file if need be, carries on where the last one stopped.

import { hostname } from 'node:os';
import { dump, load as parseYaml } from 'js-yaml';
import { z } from 'zod';
import { err, ok, type Result } from '../../shared/result.ts';
import type { HostSystem } from '../adapters/host-system.ts';
import type { Identity } from '../identity.ts';
import { reasonOf } from '../log.ts';
import type { PostJson } from '../pair.ts';
import type { Disk, Timers } from '../ports.ts';
import { ensureAccount } from './account-step.ts';
import { untilConnected } from './connected-step.ts';
import type { ConsoleApi } from './console-api.ts';
import type { InstallProblem, Refusal } from './install-problem.ts';
import { pairHost } from './pairing-step.ts';
import type { Settings } from './settings.ts';

export const UNIT = 'slipway-relay.service';
const SYSUSERS = 'slipway-relay.sysusers.conf';
const USER = 'slipway';

export type HostPlan = {
  /** Before every path; empty: this host itself. */
  readonly prefix: string;
  readonly start: boolean;
};

export type HostWorld = {
  readonly system: HostSystem;
  /** A file of the release, by its name. */
  readonly packaged: (name: string) => Promise<Result<string, string>>;
  readonly openState: (folder: string) => Promise<Result<Disk, { readonly detail: string }>>;
  readonly post: PostJson;
  /** Null without an API key. */
  readonly api: ConsoleApi | null;
  readonly timers: Timers;
  readonly now: () => number;
  readonly random: (count: number) => Uint8Array;
  readonly say: (text: string) => void;
};

export type Installed = {
  readonly identity: Identity;
  readonly connected: boolean;
  readonly account: 'made' | 'there' | 'not-made';
};
/** Where, what and what to do; the step says which. */
export type Step<T> = Promise<Result<T, InstallProblem>>;

export const stateFolder = ({ prefix }: HostPlan): string => `${prefix}/var/lib/slipway`;

export async function installOnHost(settings: Settings, plan: HostPlan, world: HostWorld): Step<Installed> {
  const files = await putFiles(settings, plan, world);
  if (!files.ok) return files;
  const user = await makeUser(plan, world);
  if (!user.ok) return user;
  const paired = await pairHost(settings, { folder: stateFolder(plan), hostname: hostname() }, world);
  if (!paired.ok) return paired;
  const { identity } = paired.value;
  world.say(
    `  ${paired.value.already ? 'paired already' : 'paired'}: gateway ${identity.gatewayName} (${identity.gatewayId})`,
  );
  const owned = await giveState(plan, world);
  if (!owned.ok) return owned;
  const startedAt = world.now();
  if (plan.start) {
    const started = await startService(files.value.changed || !paired.value.already, world);
    if (!started.ok) return started;
  }
  const connected = await untilConnected(identity, { wait: plan.start, startedAt }, world);
  if (!connected.ok) return connected;
  const account = await ensureAccount(settings, identity, connected.value, world);
  return account.ok ? ok({ identity, connected: connected.value, account: account.value }) : account;
}

async function putFiles(
  settings: Settings,
  plan: HostPlan,
  { system, packaged, say }: HostWorld,
): Step<{ changed: boolean }> {
  const { prefix } = plan;
  const program = await system.putProgram(`${prefix}/usr/local/bin/slipway-relay`);
  if (!program.ok) return problem('program', 'HOST_NOT_WRITABLE', program.error);
  const unit = await packaged(UNIT);
  const sysusers = await packaged(SYSUSERS);
  if (!unit.ok || !sysusers.ok)
    return problem('program', 'HOST_COMMAND_FAILED', unit.ok ? (sysusers.ok ? '' : sysusers.error) : unit.error);
  const command = program.value.command;
  const relayYaml = await settingsFile(settings, plan, system);
  if (!relayYaml.ok) return relayYaml;
  const files = [
    {
      path: `${prefix}/etc/systemd/system/${UNIT}`,
      text: unit.value.replace(/^ExecStart=.*$/m, `ExecStart=${command} run`),
      mode: 0o644,
    },
    { path: `${prefix}/etc/sysusers.d/slipway-relay.conf`, text: sysusers.value, mode: 0o644 },
    // Others must not read it: a proxy's password may be in it.
    { path: settingsPath(plan), text: relayYaml.value, mode: 0o640 },
  ];
  let changed = program.value.changed;
  say(`  ${changed ? 'written' : 'as it was'}: ${command}`);
  for (const { path, text, mode } of files) {
    const put = await system.put(path, text, mode);
    if (!put.ok) return problem('files', 'HOST_NOT_WRITABLE', put.error);
    changed ||= put.value === 'written';
    say(`  ${put.value === 'written' ? 'written' : 'as it was'}: ${path}`);
  }
  return ok({ changed });
}

const settingsPath = ({ prefix }: HostPlan): string => `${prefix}/etc/slipway/relay.yaml`;
const Tree = z.record(z.string(), z.unknown());

/** What the operator wrote beside ours, such as `enrolment`, stays. */
async function settingsFile(settings: Settings, plan: HostPlan, system: HostSystem): Step<string> {
  const path = settingsPath(plan);
  const earlier = await system.read(path);
  if (!earlier.ok) return problem('settings', 'HOST_NOT_WRITABLE', earlier.error);
  let kept: z.infer<typeof Tree> = {};
  try {
    const tree = Tree.safeParse(parseYaml(earlier.value ?? '{}') ?? {});
    if (!tree.success) return problem('settings', 'CONFIG_UNREADABLE', `${path} holds no settings`);
    kept = tree.data;
  } catch (error) {
    return problem('settings', 'CONFIG_UNREADABLE', `${path} is not YAML: ${reasonOf(error).split('\n')[0] ?? ''}`);
  }
  const ours = {
    stateDir: stateFolder(plan),
    console: settings.console,
    caFile: settings.caFile,
    proxy: { https: settings.proxy.https, http: settings.proxy.http, no: settings.proxy.no },
  };
  return ok(
    `# Settings of slipway-relay, by \`slipway-relay install --host\`. Others may be added; README.md lists them.\n${dump({ ...kept, ...ours }, { lineWidth: -1 })}`,
  );
}

async function makeUser({ prefix, start }: HostPlan, { system, say }: HostWorld): Step<null> {
  const root = prefix === '' ? [] : [`--root=${prefix}`];
  const made = await system.run('systemd-sysusers', [...root, 'slipway-relay.conf']);
  if (made.ok) return ok(null);
  if (start) return problem('user', 'HOST_COMMAND_FAILED', made.error);
  // Not started by systemd, so that it may run as anybody.
  say(`  user ${USER} not made: ${made.error}`);
  return ok(null);
}

async function giveState(plan: HostPlan, { system, say }: HostWorld): Step<null> {
  if (!system.isRoot) {
    say('  state folder left to the user who runs this: only root can give it away');
    return ok(null);
  }
  const user = await system.userOf(`${plan.prefix}/etc/passwd`, USER);
  if (user === null) {
    say(`  state folder left to root: there is no user ${USER}`);
    return ok(null);
  }
  const given = await system.giveTo(stateFolder(plan), user);
  const shown = given.ok ? await system.giveGroup(settingsPath(plan), user.gid) : given;
  return shown.ok ? ok(null) : problem('state folder', 'HOST_COMMAND_FAILED', shown.error);
}

async function startService(changed: boolean, { system, say }: HostWorld): Step<null> {
  for (const args of [['daemon-reload'], ['enable', UNIT], [changed ? 'restart' : 'start', UNIT]]) {
    const done = await system.run('systemctl', args);
    if (!done.ok) return problem('service', 'HOST_COMMAND_FAILED', done.error);
  }
  say(`  service ${UNIT} ${changed ? 'restarted' : 'started'}`);
  return ok(null);
}

export const problem = (where: string, code: Refusal['code'], detail: string): Result<never, InstallProblem> =>
  err({ where, code, detail });
