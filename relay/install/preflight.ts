// Everything an install needs, looked at before anything is changed; all failures are told at once. Reads only.
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import type { AccountFacts } from '../../shared/inventory.ts';
import { MAAS_CLOCK_SKEW_MS_MAX } from '../../shared/limits.ts';
import { funnelSentence } from '../../shared/machine-funnel.ts';
import type { Result } from '../../shared/result.ts';
import type { Check } from '../doctor.ts';
import type { ConsoleApi } from './console-api.ts';
import { GATEWAY_ARCHITECTURE, type Placement } from './flavour.ts';
import { type Refusal, todoOf } from './install-problem.ts';
import { fittingMachines, type MaasSite } from './maas-site.ts';
import { type Networks, overlapsOf } from './networks.ts';
import type { Settings } from './settings.ts';

/** Half of what MAAS allows, so that there is time to act (as `doctor`). */
const MAAS_CLOCK_MS_MAX = MAAS_CLOCK_SKEW_MS_MAX / 2;
/** Beside the nodes' own: the virtual address of the Kubernetes API. */
const VIRTUAL_ADDRESSES = 1;
const ROLES_THAT_MAY = ['tenant-admin', 'project-admin'];

/** How the world is looked at. */
export type Lookout = {
  /** Name, proxy, answer and clock of the console. */
  readonly console: () => Promise<Check[]>;
  /** Null without an API key. */
  readonly api: ConsoleApi | null;
  readonly maas: () => Promise<Result<MaasSite, Refusal>>;
  /** MAAS's own time, from its answer. */
  readonly maasTime: () => Promise<Result<number | null, string>>;
  readonly now: () => number;
  /** The relay goes on this host, and takes no machine. */
  readonly onHost: boolean;
  /** An installation on machines was begun from here: it has some of them already. */
  readonly carriesOn: boolean;
  /** What this host must be able to. */
  readonly here: () => Promise<Check[]>;
};

export type Preflights = {
  readonly checks: Check[];
  /** What MAAS said of the account; null when it could not be asked. */
  readonly account: AccountFacts | null;
};

const pass = (name: string, detail: string): Check => ({ name, status: 'ok', detail, todo: '' });
const fail = (name: string, detail: string, todo: string): Check => ({ name, status: 'failed', detail, todo });
const skip = (name: string, detail: string): Check => ({ name, status: 'skipped', detail, todo: '' });
const refused = (name: string, failure: Refusal): Check =>
  fail(name, `${failure.detail} (${failure.code})`, todoOf(failure));

export async function runPreflights(settings: Settings, lookout: Lookout): Promise<Preflights> {
  const onConsole = await lookout.console();
  const reached = onConsole.every((check) => check.name !== 'console' || check.status === 'ok');
  const site = await lookout.maas();
  const checks = [
    ...onConsole,
    await checkCredential(settings, lookout, reached),
    site.ok ? passMaas(site.value) : refused('maas', site.error),
    await checkMaasClock(lookout),
    ...(site.ok ? checkSite(settings, site.value, lookout) : withoutSite(settings)),
    ...(await lookout.here()),
  ];
  return { checks, account: site.ok ? site.value.account : null };
}

async function checkCredential(settings: Settings, { api }: Lookout, reached: boolean): Promise<Check> {
  if (api === null)
    return pass('credential', 'the pairing code is well-formed; whether it still counts, pairing will say');
  if (!reached) return skip('credential', 'the console can’t be asked');
  const asked = await api.whoAmI();
  if (!asked.ok) return refused('credential', asked.error);
  const { name, role } = asked.value;
  if (ROLES_THAT_MAY.includes(role))
    return pass('credential', `API key ${name}, ${role}${settings.pairingCode === null ? '' : ', and a pairing code'}`);
  return refused('credential', { code: 'API_KEY_REFUSED', detail: `API key ${name} is of a ${role}` });
}

function passMaas({ account }: MaasSite): Check {
  const rights = account.isAdmin
    ? 'administrator'
    : `no administrator (without ${account.permissionsMissing.join(', ')})`;
  return pass('maas', `MAAS ${account.maasVersion}, user ${account.user}, ${rights}`);
}

async function checkMaasClock({ maasTime, now }: Lookout): Promise<Check> {
  const told = await maasTime();
  if (!told.ok || told.value === null) return skip('maas clock', told.ok ? 'MAAS gave no time' : 'MAAS gave no answer');
  const skewMs = now() - told.value;
  const seconds = Math.round(Math.abs(skewMs) / 1_000);
  if (Math.abs(skewMs) <= MAAS_CLOCK_MS_MAX)
    return pass('maas clock', `within ${seconds} s of MAAS, which takes ${MAAS_CLOCK_SKEW_MS_MAX / 1_000} s`);
  return refused('maas clock', {
    code: 'MAAS_CLOCK_SKEW',
    detail: `this host is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} MAAS`,
  });
}

function checkSite({ placement, networks }: Settings, site: MaasSite, lookout: Lookout): Check[] {
  return [checkImage(site), ...checkTaken(placement, site, lookout), checkNetworks(site, networks)];
}

/** Machines and addresses to take. */
function checkTaken(placement: Placement | null, site: MaasSite, { onHost, carriesOn }: Lookout): Check[] {
  const none = (why: string): Check[] => [skip('machines', why), skip('addresses', why)];
  if (onHost) return none('none is taken with --host');
  if (placement === null)
    return [refused('machines', { code: 'PLACEMENT_MISSING', detail: 'the file says nothing of placement' })];
  if (carriesOn) return none('an installation is under way from here, and may have its machines already');
  return [checkMachines(site, placement), checkAddresses(site, placement)];
}

const withoutSite = ({ networks }: Settings): Check[] => [
  ...['image', 'machines', 'addresses'].map((name) => skip(name, 'MAAS can’t be asked')),
  overlapsOf(networks, []).length === 0
    ? skip('networks', 'apart from each other; the subnets of MAAS are not known')
    : networksOverlap(networks, []),
];

function checkImage({ inventory }: MaasSite): Check {
  const os = BUILTIN_PROFILE.layers.find((layer) => layer.kind === 'os');
  const wanted = os?.image ?? '';
  const found = inventory.images.filter(({ name }) => name === wanted).map(({ architecture }) => architecture);
  if (found.includes(GATEWAY_ARCHITECTURE)) return pass('image', `${wanted} for ${found.join(', ')}`);
  const there = inventory.images.map(({ name, architecture }) => `${name} (${architecture})`).join(', ') || 'none';
  return fail(
    'image',
    `${wanted} for ${GATEWAY_ARCHITECTURE} is not in MAAS; there: ${there}`,
    `Select ${wanted} for ${GATEWAY_ARCHITECTURE} on the Images page of MAAS and wait until it is synced.`,
  );
}

function checkMachines(site: MaasSite, placement: Placement): Check {
  const { steps, fitting } = fittingMachines(site, placement);
  const sentence = funnelSentence('gateway', placement.nodes, steps);
  if (fitting.length >= placement.nodes) return pass('machines', sentence);
  return fail('machines', sentence, 'Commission or release machines, or choose another zone or flavour.');
}

/** On which subnet the machines will be, MAAS doesn't say before they are deployed: one with room has to be there. */
function checkAddresses({ inventory }: MaasSite, { nodes }: Placement): Check {
  const need = nodes + VIRTUAL_ADDRESSES;
  const subnets = inventory.subnets.filter(({ cidr, managed }) => managed && !cidr.includes(':'));
  const each = subnets.map(({ name, cidr, freeCount }) => `${name} (${cidr}) has ${freeCount} free`).join(', ');
  const evidence = `${need} needed (${nodes} for nodes, ${VIRTUAL_ADDRESSES} virtual): ${each || 'no managed IPv4 subnet'}`;
  if (subnets.some(({ freeCount }) => freeCount >= need)) return pass('addresses', evidence);
  return fail(
    'addresses',
    evidence,
    'Free addresses, or make reserved ranges smaller, in a subnet that the machines are on.',
  );
}

function checkNetworks({ inventory }: MaasSite, networks: Networks): Check {
  if (overlapsOf(networks, inventory.subnets).length > 0) return networksOverlap(networks, inventory.subnets);
  const { podCidr, serviceIpRange } = networks;
  return pass(
    'networks',
    `pods ${podCidr} and services ${serviceIpRange} are apart from ${inventory.subnets.length} subnets`,
  );
}

function networksOverlap(networks: Networks, subnets: MaasSite['inventory']['subnets']): Check {
  const overlaps = overlapsOf(networks, subnets);
  const detail = overlaps.map((each) => `${each.where} ${each.detail}`).join('; ');
  return refused('networks', { code: 'CIDR_OVERLAP', detail });
}
