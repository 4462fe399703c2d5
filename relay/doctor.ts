// `slipway-relay doctor`: looks at everything the relay needs and says what to do about what is missing. Changes nothing.
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { EpochMs } from '../shared/ids.ts';
import type { LoadedConfig } from './adapters/load-config.ts';
import { openDisk } from './adapters/node-disk.ts';
import { wallClock } from './adapters/node-ports.ts';
import { freeBytesOf, getOnce, modeOf, resolveName, tryListen } from './adapters/probes.ts';
import { openProgramStore } from './adapters/program-store.ts';
import { proxyFor, withoutCredentials } from './adapters/proxy.ts';
import { isStored } from './adapters/this-program.ts';
import type { Config } from './config.ts';
import { chooseAdvertised } from './enrolment/advertise.ts';
import { keptCertificate } from './enrolment/endpoint-certificate.ts';
import { GATEWAY_KEY_FILE, openGatewayKey, RECOVERY_HOLDER } from './gateway-key.ts';
import { IDENTITY_FILE, type Identity, readIdentity } from './identity.ts';
import { JOURNAL_FILE } from './journal.ts';
import { decodeJournal, type JournalReading } from './journal-record.ts';
import { createUndiciTransport } from './maas/undici-transport.ts';
import { fingerprintOf, isFormer } from './pair.ts';
import type { Disk } from './ports.ts';
import { nextProgram } from './program/describe-programs.ts';
import { KEYS_FILE, openVault } from './vault.ts';
import { RELAY_VERSION } from './version.ts';

export type Check = {
  readonly name: string;
  readonly status: 'ok' | 'failed' | 'skipped';
  readonly detail: string;
  /** Empty when there is nothing to do. */
  readonly todo: string;
};

/** MAAS allows 300 s; half of it leaves time to act. */
const CLOCK_SKEW_MS_MAX = 150_000;
const MAAS_ANSWER_MS_MAX = 10_000;
/** The journal of a busy week, twice: it is written anew before the old one goes. */
const FREE_BYTES_MIN = 64 * 1_048_576;
const ENDPOINTS_MAX = 16;

const pass = (name: string, detail: string): Check => ({ name, status: 'ok', detail, todo: '' });
const fail = (name: string, detail: string, todo: string): Check => ({ name, status: 'failed', detail, todo });
const skip = (name: string, detail: string): Check => ({ name, status: 'skipped', detail, todo: '' });

/** A MAAS to reach, and the authority that proves it; null: this host's own. */
export type Reach = { readonly endpoint: string; readonly caBundlePem: string | null };

/** @param further MAAS endpoints to reach, beside those known here */
export async function diagnose({ config, ca }: LoadedConfig, further: readonly Reach[] = []): Promise<Check[]> {
  const todo = 'Make it a folder that the user of slipway-relay may write, or set SLIPWAY_STATE_DIR.';
  if ((await modeOf(config.stateDir)) === null)
    return [fail('state folder', `${config.stateDir} does not exist`, todo)];
  const disk = await openDisk(config.stateDir);
  if (!disk.ok) return [fail('state folder', disk.error.detail, todo)];
  const identity = await readIdentity(disk.value);
  const known = identity.ok ? identity.value : null;
  const journal = await disk.value.read(JOURNAL_FILE);
  const reading = journal.ok ? decodeJournal(journal.value ?? new Uint8Array()) : null;
  const [console, maas] = await Promise.all([
    checkConsole(config, ca, known?.origin ?? config.console),
    checkMaas(config, reading, further),
  ]);
  return [
    await checkFolder(config),
    await checkDisk(config),
    await checkIdentity(disk.value, known, identity.ok ? null : identity.error.detail),
    ...(known === null ? [] : [await checkGatewayKey(disk.value, known)]),
    checkJournal(reading),
    await checkProgram(disk.value, config.stateDir),
    checkReleaseKey(config, known),
    ...console,
    ...maas,
    await checkEnrolment(config),
    checkAdvertised(config),
    await checkCertificate(disk.value, config.enrolment.authority, wallClock()),
  ];
}

export function printChecks(checks: readonly Check[]): string {
  const mark = { ok: 'ok     ', failed: 'FAILED ', skipped: '-      ' };
  return checks
    .map(
      ({ name, status, detail, todo }) =>
        `${mark[status]} ${name}: ${detail}\n${todo === '' ? '' : `        → ${todo}\n`}`,
    )
    .join('');
}

async function checkFolder(config: Config): Promise<Check> {
  for (const name of ['', KEYS_FILE, GATEWAY_KEY_FILE, IDENTITY_FILE, JOURNAL_FILE]) {
    const path = join(config.stateDir, name);
    const mode = await modeOf(path);
    if (mode !== null && (mode & 0o077) !== 0) {
      const todo = `chmod ${name === '' ? '0700' : '0600'} ${path}`;
      return fail('state folder', `${path} can be read by others (mode 0${mode.toString(8)})`, todo);
    }
  }
  return pass('state folder', config.stateDir);
}

async function checkDisk({ stateDir }: Config): Promise<Check> {
  const free = await freeBytesOf(stateDir);
  const detail = `${Math.floor(free / 1_048_576)} MiB free in ${stateDir}`;
  if (free >= FREE_BYTES_MIN) return pass('disk', detail);
  return fail('disk', detail, 'Free room there: when it is full, nothing new is begun.');
}

async function checkIdentity(disk: Disk, identity: Identity | null, damage: string | null): Promise<Check> {
  if (damage !== null) return fail('identity', damage, 'Restore it from a backup, or pair anew with --replace.');
  const vault = await openVault(disk);
  if (!vault.ok) return fail('identity', vault.error.detail, 'Restore it from a backup, or pair anew.');
  if (identity === null || vault.value === null)
    return fail('identity', 'not paired', 'Create a gateway in the console, then run: slipway-relay pair');
  const fingerprint = await fingerprintOf(vault.value.identityKey);
  return pass(
    'identity',
    `gateway ${identity.gatewayName} (${identity.gatewayId}), node ${identity.nodeId}, key ${fingerprint}`,
  );
}

/** Whether this node can act, and who else got the key through it or before it: for the people of the site to compare. */
async function checkGatewayKey(disk: Disk, identity: Identity): Promise<Check> {
  const key = await openGatewayKey(disk);
  if (!key.ok)
    return fail('gateway key', key.error.detail, 'Restore it from a backup, or remove this node and pair anew.');
  if (key.value === null && isFormer(identity)) return pass('gateway key', 'is this node’s own, as before');
  if (key.value === null) {
    const todo = 'Start slipway-relay here and on a node that holds it; the console carries it over within seconds.';
    return fail('gateway key', 'this node waits for the gateway’s key', todo);
  }
  const given = key.value.holders.map(({ nodeId, fingerprint, by, at }) => {
    const pairs = (fingerprint.match(/../g) ?? []).join(':');
    return `; given to ${nodeId === RECOVERY_HOLDER ? 'the recovery key' : nodeId} by ${by} at ${new Date(at).toISOString()}, key ${pairs}`;
  });
  return pass('gateway key', `held here${given.join('')}`);
}

function checkJournal(reading: JournalReading | null): Check {
  if (reading === null) return fail('journal', 'can’t be read', 'Check the disk of the state folder.');
  const { records, foreign, damage } = reading;
  const later = foreign === 0 ? '' : `; ${foreign} of a later release, passed over`;
  // A torn tail is what a power cut leaves, or a write that is going on right now.
  if (damage?.kind !== 'corrupt') return pass('journal', `${records.length} records${later}`);
  return fail(
    'journal',
    `damaged at line ${damage.line}`,
    'Check the disk, then start once with: slipway-relay run --salvage-journal',
  );
}

/** Which program `run` starts: this one, or one that an upgrade put in its place. */
async function checkProgram(disk: Disk, stateDir: string): Promise<Check> {
  const next = await nextProgram(disk, stateDir);
  // Asked from the console, it is the program that serves which looks.
  const isOwn = isStored(openProgramStore(stateDir).folder, import.meta.filename);
  if (next === null)
    return pass('program', `${RELAY_VERSION}, ${isOwn ? 'that an upgrade brought' : 'the installed one'}`);
  const { program, file, isIntact } = next;
  const words = `${program.version}, accepted ${new Date(program.acceptedAt).toISOString()}, at ${file}; installed is ${RELAY_VERSION}`;
  if (isIntact) return pass('program', words);
  const todo = 'Restart slipway-relay: the one before it runs then. Then upgrade the gateway again in the console.';
  return fail('program', `${words}; its file is missing, or was changed`, todo);
}

function checkReleaseKey(config: Config, identity: Identity | null): Check {
  if (config.releaseKey !== null) return pass('release key', `${config.releaseKey}, of the settings`);
  if (identity?.releaseKey !== undefined) return pass('release key', `${identity.releaseKey}, pinned when it paired`);
  return skip('release key', 'none: this relay takes no upgrade from the console; SLIPWAY_RELEASE_KEY would name one');
}

/** Name, way and answer of the console, and what its clock says of ours. Also what the installer checks. */
export async function checkConsole(
  { proxy }: Pick<Config, 'proxy'>,
  ca: string[],
  origin: string | null,
): Promise<Check[]> {
  if (origin === null) return [fail('console', 'not known', 'Set SLIPWAY_CONSOLE.')];
  const url = new URL(origin);
  const through = proxyFor(url, proxy);
  const name = through === null ? url.hostname : new URL(through).hostname;
  const resolved = await resolveName(name.replace(/^\[|\]$/g, ''));
  const dns = resolved.ok
    ? pass('dns', `${name} is ${resolved.value.join(', ')}`)
    : fail('dns', `${name}: ${resolved.error}`, 'Correct the resolver of this host, or the name in the settings.');
  const way = through === null ? skip('proxy', 'none for the console') : pass('proxy', withoutCredentials(through));
  const answer = await getOnce(`${origin}/v1/openapi.json`, proxy, ca);
  if (!answer.ok) {
    const todo =
      'Allow outgoing 443 to it; behind a proxy set HTTPS_PROXY; for a certificate of your own set SLIPWAY_CA_FILE.';
    return [dns, way, fail('console', `${origin}: ${answer.error}`, todo), skip('clock', 'the console gave no time')];
  }
  const reach =
    answer.value.status < 500
      ? pass('console', `${origin} answers`)
      : fail('console', `${origin} answers with status ${answer.value.status}`, 'Wait, or ask who runs the console.');
  return [dns, way, reach, checkClock(answer.value.date)];
}

function checkClock(date: number | null): Check {
  if (date === null) return skip('clock', 'the console gave no time');
  const skewMs = performance.timeOrigin + performance.now() - date;
  const seconds = Math.round(Math.abs(skewMs) / 1_000);
  if (Math.abs(skewMs) <= CLOCK_SKEW_MS_MAX) return pass('clock', `within ${seconds} s of the console`);
  return fail('clock', `${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} the console`, 'Turn on NTP on this host.');
}

/** Those the site names, and those of commands under way: the relay keeps no list of accounts. */
async function checkMaas(config: Config, reading: JournalReading | null, further: readonly Reach[]): Promise<Check[]> {
  const endpoints = new Map<string, string | null>((config.maasEndpoints ?? []).map((endpoint) => [endpoint, null]));
  for (const record of reading?.records ?? []) {
    if (record.kind !== 'accepted' || !('account' in record.command.body)) continue;
    const { endpoint, caBundlePem } = record.command.body.account;
    endpoints.set(endpoint, caBundlePem);
  }
  for (const { endpoint, caBundlePem } of further) endpoints.set(endpoint, caBundlePem);
  if (endpoints.size === 0) return [skip('maas', 'no endpoint is known here yet')];
  return Promise.all([...endpoints].slice(-ENDPOINTS_MAX).map(([endpoint, pem]) => checkMaasEndpoint(endpoint, pem)));
}

async function checkMaasEndpoint(endpoint: string, pem: string | null): Promise<Check> {
  const transport = createUndiciTransport({
    trust: pem === null ? { kind: 'system' } : { kind: 'ca', pem },
    proxyUrl: null,
  });
  const url = `${endpoint}/api/2.0/version/`;
  const answer = await transport.send({ method: 'GET', url, headers: {}, timeoutMs: MAAS_ANSWER_MS_MAX });
  await transport.close();
  if (!answer.ok)
    return fail(
      'maas',
      `${endpoint}: ${answer.error.detail}`,
      'Check the route, firewall and certificate from this host to MAAS; no proxy is used.',
    );
  if (answer.value.status !== 200)
    return fail(
      'maas',
      `${endpoint} answers with status ${answer.value.status}`,
      'Check the endpoint: it ends in /MAAS.',
    );
  return pass('maas', `${endpoint} answers ${answer.value.body.slice(0, 100)}`);
}

async function checkEnrolment({ enrolment }: Config): Promise<Check> {
  const where = `${enrolment.host}:${enrolment.port}`;
  const free = await tryListen(enrolment.host, enrolment.port);
  if (free.ok) return pass('enrolment port', `${where} is free`);
  if (free.error === 'in-use') return pass('enrolment port', `${where} is in use, by this relay if it is running`);
  return fail(
    'enrolment port',
    `${where}: ${free.error}`,
    'Set SLIPWAY_ENROLMENT_LISTEN to an address and port of this host.',
  );
}

/** What machines are told, in which order, and why; a relay that runs puts those first that are in machines' networks. */
function checkAdvertised({ enrolment: { host, port, advertise } }: Config): Check {
  const interfaces = networkInterfaces();
  const order = { configured: advertise, listenHost: host, port, interfaces, machines: [] };
  const { chosen, skipped } = chooseAdvertised(order);
  const told = chosen.map(({ address, why }) => `${address} (${why})`);
  const untold = skipped.map(({ address, why }) => `not ${address} (${why})`);
  const detail = [...told, ...untold].join(', ');
  if (chosen.length > 0) return pass('enrolment addresses', detail);
  const todo = 'Set SLIPWAY_ENROLMENT_ADVERTISE to host:port, a network or interface:NAME that machines reach.';
  return fail(
    'enrolment addresses',
    detail === '' ? 'machines are told none' : `machines are told none: ${detail}`,
    todo,
  );
}

/** What machines are shown, and what those deployed from now on pin. A relay that runs renews both long before they end. */
async function checkCertificate(disk: Disk, number: number, now: EpochMs): Promise<Check> {
  const name = 'enrolment certificate';
  const kept = await keptCertificate(disk, number);
  if (!kept.ok) return fail(name, kept.error.detail, 'Check the disk of the state folder.');
  if (kept.value === null) return skip(name, `under authority ${number}, made when this relay serves`);
  const { authorityEndsAt, endpointEndsAt, renewAt } = kept.value;
  const until = (at: EpochMs): string => new Date(at).toISOString();
  const detail = `under authority ${number} (until ${until(authorityEndsAt)}), until ${until(endpointEndsAt)}`;
  if (Math.min(authorityEndsAt, endpointEndsAt) > now)
    return pass(name, renewAt > now ? detail : `${detail}; to be renewed, which a relay that runs does by itself`);
  const todo =
    'Start slipway-relay, which renews it; if it runs, look for certificate-not-kept in its log, and at the clock.';
  return fail(name, `ended: ${detail}`, todo);
}
