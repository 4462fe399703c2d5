// `slipway-relay run`: journal → vault → enrolment endpoint → tunnel, with the real ports, until a signal ends it.
import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { createDial } from './adapters/dial-websocket.ts';
import type { LoadedConfig } from './adapters/load-config.ts';
import { openDisk } from './adapters/node-disk.ts';
import { createNodePorts, isoNow } from './adapters/node-ports.ts';
import { lockState } from './adapters/state-lock.ts';
import { makeClusterIdentity } from './bootstrap/cluster-identity.ts';
import { createHandlers } from './commands/handlers.ts';
import type { Config } from './config.ts';
import { createEndpoint } from './enrolment/endpoint.ts';
import { ensureEndpointCertificate } from './enrolment/endpoint-certificate.ts';
import { openLedger } from './enrolment/ledger.ts';
import { type EnrolmentServer, serveEnrolment } from './enrolment/serve.ts';
import { createTurns } from './enrolment/turns.ts';
import { armFailpoint } from './failpoint.ts';
import { type Identity, readIdentity } from './identity.ts';
import { openJournal } from './journal.ts';
import { createClusterDial } from './kubernetes/connect.ts';
import { createLog, type Log, reasonOf } from './log.ts';
import { createUndiciTransport } from './maas/undici-transport.ts';
import type { Disk, Ports } from './ports.ts';
import { createRelay, type Relay } from './relay.ts';
import { keepSecret, openVault, type Vault, verifySignature } from './vault.ts';
import { RELAY_VERSION } from './version.ts';

const ENROLMENT_KEY_FILE = 'enrolment-key';
const ENROLMENT_KEY_BYTES = 32;
/** A machine asks again by itself; a held answer spares it the wait. Below what proxies and NAT keep idle. */
const ENROLMENT_HOLD_MS = 20_000;
const CERTIFICATE_CHECK_MS = 24 * 3_600_000;
/** For the last reports to leave. */
const FAREWELL_MS = 300;

export type RunOptions = {
  readonly salvageJournal: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/** Resolves with the exit status. */
export async function run({ config, ca }: LoadedConfig, options: RunOptions): Promise<number> {
  const log = createLog((line) => process.stdout.write(`${line}\n`), isoNow, config.logLevel, {});
  const reach = armFailpoint(options.environment.SLIPWAY_FAILPOINT, () => process.kill(process.pid, 'SIGKILL'));
  if (reach === null) return cannotStart(log, 'SLIPWAY_FAILPOINT names no point', 'unset it');
  const ports = createNodePorts(reach);
  const disk = await openDisk(config.stateDir);
  if (!disk.ok) return cannotStart(log, disk.error.detail, 'make SLIPWAY_STATE_DIR a folder this user may write');
  const unlock = lockState(config.stateDir);
  if (unlock === null)
    return cannotStart(log, `${config.stateDir} is in use by another process`, 'stop the other slipway-relay first');
  try {
    const parts = await openState(disk.value, ports, log, options);
    return parts === null ? 1 : await serve(config, ca, disk.value, parts, ports, log);
  } finally {
    unlock();
  }
}

/** Changed when the port is known, and when the authority is renewed. */
type Site = { authorityPem: string; addresses: { host: string; port: number }[] };

type State = {
  readonly identity: Identity;
  readonly vault: Vault;
  readonly journal: Parameters<typeof createRelay>[0]['journal'];
  readonly enrolmentKey: Uint8Array;
};

/** Null when it can't be used; the log says why. */
async function openState(disk: Disk, ports: Ports, log: Log, options: RunOptions): Promise<State | null> {
  const refuse = (detail: string, todo: string): null => {
    cannotStart(log, detail, todo);
    return null;
  };
  const identity = await readIdentity(disk);
  if (!identity.ok) return refuse(identity.error.detail, 'restore the state folder from a backup, or pair anew');
  const vault = await openVault(disk);
  if (!vault.ok) return refuse(vault.error.detail, 'restore the state folder from a backup, or pair anew');
  if (identity.value === null || vault.value === null)
    return refuse('this relay is not paired', 'run: slipway-relay pair');
  const journal = await openJournal(disk, ports.clock.now, { salvage: options.salvageJournal });
  if (!journal.ok) {
    const isCorrupt = journal.error.code === 'corrupt';
    const todo = isCorrupt ? 'check the disk, then start with --salvage-journal' : 'check the disk of the state folder';
    return refuse(journal.error.detail, todo);
  }
  const { damage } = journal.value;
  if (damage !== null) log.warn('journal-mended', { damage: damage.kind, offsetBytes: damage.offsetBytes });
  const key = await keepSecret(disk, ENROLMENT_KEY_FILE, () => ports.random.bytes(ENROLMENT_KEY_BYTES));
  if (!key.ok) return refuse(key.error.detail, 'check the disk of the state folder');
  return { identity: identity.value, vault: vault.value, journal: journal.value.journal, enrolmentKey: key.value };
}

async function serve(config: Config, ca: string[], disk: Disk, state: State, ports: Ports, log: Log): Promise<number> {
  const certificate = await ensureEndpointCertificate(disk, ports.clock.now());
  if (!certificate.ok) return cannotStart(log, certificate.error.detail, 'check the disk of the state folder');
  const site: Site = { authorityPem: certificate.value.authorityPem, addresses: [] };
  const turns = createTurns(ports.timers);
  const ledger = await openLedger(disk, ports.clock, log);
  const { identity, vault, journal, enrolmentKey } = state;
  const relay = createRelay({
    identity,
    vault,
    verify: (payload, signature) => verifySignature(identity.commandKey, payload, signature),
    journal,
    handlers: createHandlers({
      ports,
      log,
      dial: createClusterDial(ports.clock),
      turns,
      ledger,
      enrolmentKey,
      site: () => site,
      makeIdentity: makeClusterIdentity,
    }),
    transportFor: (trust) => createUndiciTransport({ trust, proxyUrl: null }).send,
    maasEndpoints: config.maasEndpoints,
    dial: createDial(config.proxy, ca, `slipway-relay/${RELAY_VERSION}`),
    ports,
    log,
    bootId: randomBytes(12).toString('base64url'),
    relayVersion: RELAY_VERSION,
  });
  const endpoint = createEndpoint({
    key: enrolmentKey,
    ledger,
    turns,
    ports,
    log,
    emit: relay.emit,
    addressesOf: () => null,
    holdMs: () => ENROLMENT_HOLD_MS,
  });
  const { host, port, advertise } = config.enrolment;
  const listening = await serveEnrolment({ host, port, certificate: certificate.value.endpoint, log }, endpoint);
  if (!listening.ok)
    return cannotStart(log, listening.error.detail, 'free the port, or set SLIPWAY_ENROLMENT_LISTEN to another');
  site.addresses = advertised(advertise, host, listening.value.port);
  log.info('relay-started', {
    version: RELAY_VERSION,
    gateway: identity.gatewayId,
    node: identity.nodeId,
    enrolmentPort: listening.value.port,
    advertised: site.addresses.map((each) => `${each.host}:${each.port}`).join(' '),
  });
  const renewing = renewCertificate(disk, listening.value, site, ports, log);
  await untilEnded(relay, ports, log);
  renewing();
  await listening.value.close();
  log.info('relay-ended', {});
  return 0;
}

/** Serves until SIGTERM or SIGINT; a second one ends at once. */
async function untilEnded(relay: Relay, ports: Ports, log: Log): Promise<void> {
  const tunnel = new AbortController();
  const asked = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        resolve(signal);
        process.once(signal, () => process.exit(1));
      });
    }
  });
  const running = relay.run(tunnel.signal);
  const signal = await asked;
  log.info('relay-ends', { signal });
  if (!(await relay.drain())) log.warn('commands-left', { todo: 'none: they are carried on at the next start' });
  await new Promise<void>((resolve) => void ports.timers.after(FAREWELL_MS, resolve));
  tunnel.abort();
  await running;
}

/** The answered function ends it. */
function renewCertificate(disk: Disk, server: EnrolmentServer, site: Site, ports: Ports, log: Log): () => void {
  let cancel = (): void => {};
  const check = async (): Promise<void> => {
    const certificate = await ensureEndpointCertificate(disk, ports.clock.now());
    if (certificate.ok) {
      server.setCertificate(certificate.value.endpoint);
      site.authorityPem = certificate.value.authorityPem;
    } else log.error('certificate-not-renewed', { detail: certificate.error.detail });
    again();
  };
  const again = (): void => {
    cancel = ports.timers.after(CERTIFICATE_CHECK_MS, () => {
      check().catch((error: unknown) => log.error('certificate-not-renewed', { detail: reasonOf(error) }));
    });
  };
  again();
  return () => cancel();
}

/** As configured; else the address listened on, or every IPv4 address of this host. */
function advertised(configured: readonly string[], host: string, port: number): { host: string; port: number }[] {
  if (configured.length > 0) {
    return configured.map((text) => {
      const [, name = '', number = ''] = /^(.*):(\d+)$/.exec(text) ?? [];
      return { host: name, port: Number(number) };
    });
  }
  if (host !== '0.0.0.0' && host !== '::') return [{ host, port }];
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => ({ host: address, port }));
}

function cannotStart(log: Log, detail: string, todo: string): number {
  log.error('cannot-start', { detail, todo });
  return 1;
}
