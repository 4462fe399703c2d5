// A relay that serves, with the real ports: enrolment endpoint and tunnel. `run` keeps one until a signal; the installer starts
// the very same one for as long as an installation takes.
import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { err, ok, type Result } from '../shared/result.ts';
import { createDial } from './adapters/dial-websocket.ts';
import type { LoadedConfig } from './adapters/load-config.ts';
import { createOwnProgram } from './adapters/own-program.ts';
import { makeClusterIdentity } from './bootstrap/cluster-identity.ts';
import { createHandlers } from './commands/handlers.ts';
import { isLoopback } from './config.ts';
import { diagnose } from './doctor.ts';
import { chooseAdvertised } from './enrolment/advertise.ts';
import { authorityNumberOf, serverNameOf } from './enrolment/authority-number.ts';
import type { Certificates } from './enrolment/certificates.ts';
import type { EndpointCertificate } from './enrolment/endpoint-certificate.ts';
import { type Ledger, openLedger } from './enrolment/ledger.ts';
import { createMachineSources, type MachineSources } from './enrolment/machine-sources.ts';
import type { RelayOffer } from './enrolment/relay-offer.ts';
import { siteSlots } from './enrolment/site-slots.ts';
import { createEnrolment, type Enrolment, type EnrolmentParts } from './enrolment/start.ts';
import { createTurns, type Turns } from './enrolment/turns.ts';
import type { GatewayKey } from './gateway-key.ts';
import { renderNodeSettings } from './install/node-settings.ts';
import type { Keyring } from './keyring.ts';
import { createClusterDial } from './kubernetes/connect.ts';
import type { Log } from './log.ts';
import { createUndiciTransport } from './maas/undici-transport.ts';
import type { Ports } from './ports.ts';
import type { ProgramExchange } from './program/program-exchange.ts';
import { createRelay, type Relay, type RelayParts } from './relay.ts';
import type { RelayState, StartFailure } from './state-folder.ts';
import { createNodeStatus, type NodeStatus, type Standing } from './tunnel/node-status.ts';
import { createPairingCodes, type PairingCodes } from './tunnel/pairing-codes.ts';
import { verifySignature } from './vault.ts';
import { RELAY_VERSION } from './version.ts';

/** A machine asks again by itself; a held answer spares it the wait. Below what proxies and NAT keep idle. */
const ENROLMENT_HOLD_MS = 20_000;
/** For the last reports to leave. */
const FAREWELL_MS = 300;

export type ServingParts = {
  readonly loaded: LoadedConfig;
  readonly state: RelayState;
  readonly ports: Ports;
  readonly log: Log;
  /** The entry point of this program: what is offered to a gateway's own machines, when it is no executable. */
  readonly mainFile: string;
  readonly hooks?: Pick<RelayParts, 'sessionParts' | 'tunnelEnded' | 'heartbeat'>;
  /** Absent: this relay can't exchange its program. */
  readonly exchange?: ProgramExchange;
};

export type ServingRelay = {
  readonly standing: () => Standing;
  /** Lets what has begun get to a safe point, and begins nothing more; the tunnel stays. May be repeated. */
  readonly drain: () => Promise<boolean>;
  /** Lets what has begun get to a safe point, then ends tunnel and endpoint. True when all did get there. May be repeated. */
  readonly stop: () => Promise<boolean>;
};

/** Parts that know each other, made before the relay is. */
type Within = ServingParts & {
  readonly turns: Turns;
  readonly ledger: Ledger;
  readonly status: NodeStatus;
  readonly sources: MachineSources;
  readonly codes: PairingCodes;
  /** Where machines reach this node. */
  readonly addresses: () => readonly string[];
  /** What the endpoint serves with; null while the gateway's key is not held. */
  readonly served: () => Served | null;
};

type Served = { readonly certificate: EndpointCertificate; readonly certificates: Certificates };

/** Resolves when machines can enrol and the tunnel is being dialled. */
export async function startServing(parts: ServingParts): Promise<Result<ServingRelay, StartFailure>> {
  const { loaded, state, ports, log } = parts;
  const { identity, keyring } = state;
  const { host, advertise } = loaded.config.enrolment;
  let addresses: readonly string[] = [];
  let served: Served | null = null;
  const ownStatus = () => ({ sealingKey: keyring.held()?.sealingKey ?? null, addresses: [...addresses] });
  const status = createNodeStatus(ownStatus, ports.clock, log);
  const within: Within = {
    ...parts,
    turns: createTurns(ports.timers),
    ledger: await openLedger(state.disk, ports.clock, log),
    status,
    sources: createMachineSources(),
    codes: createPairingCodes(identity.commandKey, ports),
    addresses: () => addresses,
    served: () => served,
  };
  const relay = makeRelay(within);
  const enrolment = makeEnrolment(within, relay, (listening, certificate, certificates) => {
    served = { certificate, certificates };
    const order = { configured: advertise, listenHost: host, port: listening, interfaces: networkInterfaces() };
    const { chosen } = chooseAdvertised({ ...order, machines: within.sources.addresses() });
    addresses = chosen.map(({ address }) => address);
    status.changed();
  });
  const failure = await enrolment.start();
  if (failure !== null) return err(failure);
  keyring.onChange(() => enrolment.restart(status.changed));
  log.info('relay-started', {
    version: RELAY_VERSION,
    gateway: identity.gatewayId,
    node: identity.nodeId,
    holdsKey: keyring.held() !== null,
    advertised: addresses.join(' '),
  });
  return ok(serving(relay, enrolment, within));
}

function serving(relay: Relay, enrolment: Enrolment, { ports, log, status }: Within): ServingRelay {
  const tunnel = new AbortController();
  const running = relay.run(tunnel.signal);
  const drain = async (): Promise<boolean> => {
    const isThrough = await relay.drain();
    if (!isThrough) log.warn('commands-left', { todo: 'none: they are carried on at the next start' });
    return isThrough;
  };
  const end = async (): Promise<boolean> => {
    const isThrough = await drain();
    await new Promise<void>((resolve) => void ports.timers.after(FAREWELL_MS, resolve));
    tunnel.abort();
    await running;
    await enrolment.close();
    log.info('relay-ended', {});
    return isThrough;
  };
  let ended: Promise<boolean> | null = null;
  return {
    standing: status.standing,
    drain,
    stop: () => {
      ended ??= end();
      return ended;
    },
  };
}

/** Where machines may enrol: here first if this relay leads, else where the others are. */
function relaysOf({ addresses, status }: Within): readonly string[] {
  const { leader, peers } = status.standing();
  return [...new Set(leader ? [...addresses(), ...peers] : [...peers, ...addresses()])];
}

function makeRelay(within: Within): Relay {
  const { loaded, state, ports, log, turns, ledger, status, sources, codes, hooks, exchange } = within;
  const { identity, keyring } = state;
  return createRelay({
    identity,
    vault: keyring.vault,
    verify: (payload, signature) => verifySignature(identity.commandKey, payload, signature),
    journal: state.journal,
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
        authorityPem: servedBy(within).certificate.authorityPem,
        serverName: serverNameOf(loaded.config.enrolment.authority),
        addresses: relaysOf(within).map(hostAndPort),
      }),
      ...{ makeIdentity: makeClusterIdentity, keyring, period: status.period, inventoried: sources.inventoried },
      diagnose: (further) => diagnose(loaded, further),
      ...(exchange === undefined ? {} : { exchange }),
    }),
    transportFor: (trust) => createUndiciTransport({ trust, proxyUrl: null }).send,
    maasEndpoints: loaded.config.maasEndpoints,
    dial: createDial(loaded.config.proxy, loaded.ca, `slipway-relay/${RELAY_VERSION}`),
    ports,
    log,
    bootId: randomBytes(12).toString('base64url'),
    relayVersion: RELAY_VERSION,
    nodeStatus: status,
    observed: sources.observed,
    sessionParts: [codes, ...(hooks?.sessionParts ?? [])],
    ...(hooks?.tunnelEnded === undefined ? {} : { tunnelEnded: hooks.tunnelEnded }),
    ...(hooks?.heartbeat === undefined ? {} : { heartbeat: hooks.heartbeat }),
  });
}

function makeEnrolment(within: Within, relay: Relay, serves: EnrolmentParts['serves']): Enrolment {
  const { loaded, state, ports, log, turns, ledger, status, sources } = within;
  const { host, port, checkSource, authority } = loaded.config.enrolment;
  return createEnrolment(
    {
      ...{ ledger, turns, ports, log, disk: state.disk, host, port, emit: relay.emit, authority, serves },
      // All machines of a lab on this host speak from it.
      addressesOf: checkSource && !isLoopback(host) ? sources.addressesOf : () => null,
      // A standby gets no turns: it says so at once, and the machine asks the next relay.
      holdMs: () => (status.standing().leader ? ENROLMENT_HOLD_MS : 0),
      relays: () => relaysOf(within),
      offer: offerOf(within),
      site: siteSlots(loaded),
    },
    state.keyring,
  );
}

function offerOf(within: Within): RelayOffer {
  const { loaded, state, mainFile, codes, addresses } = within;
  return {
    mintPairingCode: codes.mint,
    settingsFor: (nodeAddress, virtualAddress) =>
      renderNodeSettings(loaded, state.identity, nodeAddress, virtualAddress),
    authorityPem: async (serverName) =>
      (await servedBy(within).certificates.under(authorityNumberOf(serverName) ?? 0)).authorityPem,
    addresses,
    program: createOwnProgram(mainFile),
  };
}

/** Only a command needs it, and only a node that holds the key is sent one. */
function keyOf(keyring: Keyring): GatewayKey {
  const key = keyring.held();
  if (key === null) throw new Error('a relay without the gateway’s key was asked to deploy');
  return key;
}

function servedBy({ served }: Within): Served {
  const serving = served();
  if (serving === null) throw new Error('a relay that serves no machines was asked to deploy one');
  return serving;
}

function hostAndPort(text: string): { host: string; port: number } {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(text) ?? [];
  return { host, port: Number(port) };
}
