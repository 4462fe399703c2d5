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
import { type Config, isLoopback } from './config.ts';
import { openLedger } from './enrolment/ledger.ts';
import { createMachineSources } from './enrolment/machine-sources.ts';
import { createEnrolment } from './enrolment/start.ts';
import { createTurns } from './enrolment/turns.ts';
import { armFailpoint } from './failpoint.ts';
import { type GatewayKey, openGatewayKey, takeFormerKey } from './gateway-key.ts';
import { type Identity, readIdentity } from './identity.ts';
import { openJournal } from './journal.ts';
import { createKeyring, type Keyring } from './keyring.ts';
import { createClusterDial } from './kubernetes/connect.ts';
import { createLog, type Log } from './log.ts';
import { createUndiciTransport } from './maas/undici-transport.ts';
import { isFormer } from './pair.ts';
import type { Disk, Ports } from './ports.ts';
import { createRelay, type Relay } from './relay.ts';
import { createNodeStatus } from './tunnel/node-status.ts';
import { openVault, verifySignature } from './vault.ts';
import { RELAY_VERSION } from './version.ts';

/** A machine asks again by itself; a held answer spares it the wait. Below what proxies and NAT keep idle. */
const ENROLMENT_HOLD_MS = 20_000;
/** As many as the tunnel carries. */
const ADVERTISED_MAX = 16;
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

type State = {
  readonly identity: Identity;
  readonly journal: Parameters<typeof createRelay>[0]['journal'];
  readonly keyring: Keyring;
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
  const opened = await openGatewayKey(disk);
  const key =
    opened.ok && opened.value === null && isFormer(identity.value)
      ? await takeFormerKey(disk, ports.clock.now())
      : opened;
  if (!key.ok)
    return refuse(key.error.detail, 'restore the state folder from a backup, or remove this node and pair anew');
  const { nodeId } = identity.value;
  const keyring = createKeyring({ disk, vault: vault.value, nodeId, held: key.value, clock: ports.clock, log });
  return { identity: identity.value, journal: journal.value.journal, keyring };
}

async function serve(config: Config, ca: string[], disk: Disk, state: State, ports: Ports, log: Log): Promise<number> {
  const { identity, journal, keyring } = state;
  const turns = createTurns(ports.timers);
  const ledger = await openLedger(disk, ports.clock, log);
  const { host, port, advertise } = config.enrolment;
  let addresses: readonly string[] = [];
  const status = createNodeStatus(
    () => ({ sealingKey: keyring.held()?.sealingKey ?? null, addresses: [...addresses] }),
    ports.clock,
    log,
  );
  const sources = createMachineSources();
  const relay = createRelay({
    identity,
    vault: keyring.vault,
    verify: (payload, signature) => verifySignature(identity.commandKey, payload, signature),
    journal,
    handlers: createHandlers({
      ports,
      log,
      dial: createClusterDial(ports.clock),
      turns,
      ledger,
      get enrolmentKey() {
        return keyOf(keyring).enrolmentKey;
      },
      site: () => ({
        authorityPem: keyOf(keyring).authority.certPem,
        addresses: [...new Set([...addresses, ...status.standing().peers])].map(hostAndPort),
      }),
      ...{ makeIdentity: makeClusterIdentity, keyring, period: status.period },
    }),
    transportFor: (trust) => createUndiciTransport({ trust, proxyUrl: null }).send,
    maasEndpoints: config.maasEndpoints,
    dial: createDial(config.proxy, ca, `slipway-relay/${RELAY_VERSION}`),
    ports,
    log,
    bootId: randomBytes(12).toString('base64url'),
    relayVersion: RELAY_VERSION,
    nodeStatus: status,
    observed: sources.observed,
  });
  const enrolment = createEnrolment(
    {
      ...{ ledger, turns, ports, log, disk, host, port, emit: relay.emit },
      // All machines of a lab on this host speak from it.
      addressesOf: config.enrolment.checkSource && !isLoopback(host) ? sources.addressesOf : () => null,
      // A standby gets no turns: it says so at once, and the machine asks the next relay.
      holdMs: () => (status.standing().leader ? ENROLMENT_HOLD_MS : 0),
      lookAtAddresses: (listening) => {
        addresses = advertised(advertise, host, listening);
        status.changed();
      },
    },
    keyring,
  );
  const failure = await enrolment.start();
  if (failure !== null) return cannotStart(log, failure.detail, failure.todo);
  keyring.onChange(() => enrolment.restart(status.changed));
  log.info('relay-started', {
    version: RELAY_VERSION,
    gateway: identity.gatewayId,
    node: identity.nodeId,
    holdsKey: keyring.held() !== null,
    advertised: addresses.join(' '),
  });
  await untilEnded(relay, ports, log);
  await enrolment.close();
  log.info('relay-ended', {});
  return 0;
}

/** Only a command needs it, and only a node that holds the key is sent one. */
function keyOf(keyring: Keyring): GatewayKey {
  const key = keyring.held();
  if (key === null) throw new Error('a relay without the gateway’s key was asked to deploy');
  return key;
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

/** As configured; else the address listened on, or every IPv4 address of this host. */
function advertised(configured: readonly string[], host: string, port: number): readonly string[] {
  if (configured.length > 0) return configured;
  if (host !== '0.0.0.0' && host !== '::') return [`${host}:${port}`];
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => `${address}:${port}`)
    .slice(0, ADVERTISED_MAX);
}

function hostAndPort(text: string): { host: string; port: number } {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(text) ?? [];
  return { host, port: Number(port) };
}

function cannotStart(log: Log, detail: string, todo: string): number {
  log.error('cannot-start', { detail, todo });
  return 1;
}
