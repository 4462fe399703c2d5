// `install --host`: the relay on this host under systemd. Each step looks first and does only what is missing, so the same
// command again, with an edited file if need be, carries on where the last one stopped.

import { hostname } from 'node:os';
import { dump, load as parseYaml } from 'js-yaml';
import { z } from 'zod';
import { ok, type Result } from '../../shared/result.ts';
import type { Identity } from '../identity.ts';
import type { KeyCraft } from '../key-craft.ts';
import { reasonOf } from '../log.ts';
import type { PostJson } from '../pair.ts';
import type { Disk, Timers } from '../ports.ts';
import { ensureAccount } from './account-step.ts';
import { untilConnected } from './connected-step.ts';
import type { ConsoleApi } from './console-api.ts';
import {
  giveState,
  type HostPlan,
  makeUser,
  problem,
  putService,
  type ServicePlace,
  type ServiceWorld,
  type Step,
  settingsPath,
  startService,
  stateFolder,
} from './host-service.ts';
import { pairHost } from './pairing-step.ts';
import type { Settings } from './settings.ts';

const STATE = '/var/lib/slipway';

export type HostWorld = ServiceWorld & {
  readonly openState: (folder: string) => Promise<Result<Disk, { readonly detail: string }>>;
  readonly post: PostJson;
  /** Null without an API key. */
  readonly api: ConsoleApi | null;
  readonly timers: Timers;
  readonly now: () => number;
  readonly random: (count: number) => Uint8Array;
  /** Absent: real keys. */
  readonly craft?: KeyCraft;
};

export type Installed = {
  readonly identity: Identity;
  readonly connected: boolean;
  readonly account: 'made' | 'there' | 'not-made';
};

export const hostState = ({ prefix }: Pick<HostPlan, 'prefix'>): string => stateFolder({ prefix, state: STATE });

export async function installOnHost(settings: Settings, plan: HostPlan, world: HostWorld): Step<Installed> {
  const place: ServicePlace = { prefix: plan.prefix, start: plan.start, state: STATE };
  const relayYaml = await settingsFile(settings, plan, world);
  if (!relayYaml.ok) return relayYaml;
  // Others must not read it: a proxy's password may be in it.
  const own = [{ path: settingsPath(plan), text: relayYaml.value, mode: 0o640 }];
  const files = await putService(own, place, world);
  if (!files.ok) return files;
  const user = await makeUser(plan, world);
  if (!user.ok) return user;
  const paired = await pairHost(settings, { folder: hostState(plan), hostname: hostname() }, world);
  if (!paired.ok) return paired;
  const { identity } = paired.value;
  world.say(
    `  ${paired.value.already ? 'paired already' : 'paired'}: gateway ${identity.gatewayName} (${identity.gatewayId})`,
  );
  const owned = await giveState(place, world);
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

const Tree = z.record(z.string(), z.unknown());

/** What the operator wrote beside ours, such as `enrolment`, stays. */
async function settingsFile(settings: Settings, plan: HostPlan, { system }: ServiceWorld): Step<string> {
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
    stateDir: hostState(plan),
    console: settings.console,
    caFile: settings.caFile,
    proxy: { https: settings.proxy.https, http: settings.proxy.http, no: settings.proxy.no },
  };
  return ok(
    `# Settings of slipway-relay, by \`slipway-relay install --host\`. Others may be added; README.md lists them.\n${dump({ ...kept, ...ours }, { lineWidth: -1 })}`,
  );
}
