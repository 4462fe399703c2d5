// A relay that serves, as relay/serving-relay.ts joins it, on seeded ports; and what each kind of host starts it from: one whose
// identity was paired before the life began, and one that has its keys on its disk.
import { createHandlers } from '../../relay/commands/handlers.ts';
import { createEndpoint } from '../../relay/enrolment/endpoint.ts';
import { openLedger } from '../../relay/enrolment/ledger.ts';
import type { RelayOffer } from '../../relay/enrolment/relay-offer.ts';
import { createTurns } from '../../relay/enrolment/turns.ts';
import type { Identity } from '../../relay/identity.ts';
import { type Journal, openJournal } from '../../relay/journal.ts';
import type { KeyCraft } from '../../relay/key-craft.ts';
import type { Keyring } from '../../relay/keyring.ts';
import type { Disk } from '../../relay/ports.ts';
import type { ProgramExchange } from '../../relay/program/program-exchange.ts';
import { createRelay, type Relay, type RelayParts } from '../../relay/relay.ts';
import type { ServingRelay } from '../../relay/serving-relay.ts';
import { openRelayState, type StartFailure } from '../../relay/state-folder.ts';
import type { Dial } from '../../relay/tunnel/dial.ts';
import { createNodeStatus, type OwnStatus, type Standing } from '../../relay/tunnel/node-status.ts';
import { createPairingCodes, type PairingCodes } from '../../relay/tunnel/pairing-codes.ts';
import type { MaasWire } from './maas-wire.ts';
import { SEALING_KEY } from './pair-node.ts';
import type { RelayNode } from './relay-node.ts';
import type { RelayProcess } from './relay-process.ts';
import { SIMULATED_JOIN_TOKEN_MS } from './scenario.ts';
import type { SiteKubernetes } from './site-kubernetes.ts';
import type { SiteReleases } from './site-releases.ts';
import { type StandInSafe, standInSign, standInVerify } from './stand-in-crypto.ts';

type Address = { readonly host: string; readonly port: number };

/** Of the world, for every relay in it. */
export type RelaySurroundings = {
  readonly safe: StandInSafe;
  readonly craft: KeyCraft;
  readonly wire: MaasWire;
  readonly kubernetes: SiteKubernetes;
  /** Opens a link to the edge for this process. */
  readonly dialFor: (node: RelayNode, process: RelayProcess) => Dial;
  /** Null: no program is ever exchanged. */
  readonly releases: SiteReleases | null;
};

/** What a relay starts from. */
export type Opened = {
  readonly disk: Disk;
  readonly identity: Identity;
  readonly journal: Journal;
  readonly vault: RelayParts['vault'];
  /** Null: the gateway's key was always there, and is never given on. */
  readonly keyring: Keyring | null;
};

export type ServeParts = Omit<RelaySurroundings, 'craft' | 'releases'> & {
  readonly releases?: SiteReleases | null;
  readonly node: RelayNode;
  readonly process: RelayProcess;
  readonly opened: Opened;
  /** Every relay of the gateway, as machines reach them. */
  readonly addresses: (standing: Standing) => readonly Address[];
  readonly offer?: (codes: PairingCodes) => RelayOffer;
  readonly hooks?: Pick<RelayParts, 'sessionParts' | 'tunnelEnded' | 'heartbeat'>;
  readonly exchange?: ProgramExchange | undefined;
  /** As this process calls itself; left out: by its own. */
  readonly bootId?: string;
};

const ENROLMENT_KEY = new Uint8Array(32).fill(7);
const ENROLMENT_HOLD_MS = 20_000;
const PORT = 8443;

export const ownAddress = ({ host }: Pick<RelayNode, 'host'>): string => `${host}:${PORT}`;

/** As pairNode has made it, long ago. */
export async function openHost(
  node: RelayNode,
  process: RelayProcess,
  paired: { readonly identity: Identity; readonly identityKey: string },
  safe: StandInSafe,
): Promise<Opened | null> {
  const disk = node.diskFor(process);
  const journal = await openOwnJournal(node, process, disk);
  if (journal === null) return null;
  const vault = {
    sign: async (text: string) => standInSign(paired.identityKey, text),
    open: async (...sealed: Parameters<StandInSafe['open']>) => safe.open(...sealed),
    seal: async (...plain: Parameters<StandInSafe['seal']>) => safe.seal(...plain),
  };
  return { disk, identity: paired.identity, journal, vault, keyring: null };
}

/** As the operator does: a damaged journal is salvaged, a full disk waited for. */
async function openOwnJournal(node: RelayNode, process: RelayProcess, disk: Disk): Promise<Journal | null> {
  const { clock } = process.ports();
  const opened = await openJournal(disk, clock, { salvage: false });
  if (opened.ok) return opened.value.journal;
  if (opened.error.code !== 'corrupt') return null;
  if (!node.wasDamaged) node.parts.site.violate('I8', `${node.name} finds its journal damaged, and no disk has rotted`);
  const salvaged = await openJournal(disk, clock, { salvage: true });
  return salvaged.ok ? salvaged.value.journal : null;
}

/** With the keys that it has on its disk. @param salvage an operator started it so */
export async function openFolder(
  node: RelayNode,
  process: RelayProcess,
  craft: KeyCraft,
  salvage: boolean,
): Promise<Opened | null> {
  const disk = node.diskFor(process);
  const state = await openRelayState(disk, process.ports(), process.log(), salvage, craft);
  if (state.ok) return { ...state.value, vault: state.value.keyring.vault };
  judgeDamage(node, state.error);
  return null;
}

export function judgeDamage(node: RelayNode, { todo }: StartFailure): void {
  if (todo.includes('--salvage-journal') && !node.wasDamaged)
    node.parts.site.violate('I8', `${node.name} finds its journal damaged, and no disk has rotted`);
}

/** Resolves when machines can enrol and the tunnel is being dialled. */
export async function serveRelay(parts: ServeParts): Promise<ServingRelay & { readonly ended: Promise<void> }> {
  const { node, process, opened, kubernetes, safe } = parts;
  const { identity, keyring, journal, disk } = opened;
  const ports = process.ports();
  const log = process.log();
  node.parts.watch.onJournal(node, journal.generationOf);
  const turns = createTurns(ports.timers);
  const ledger = await openLedger(disk, ports.clock, log);
  const ownStatus = (): OwnStatus => ({
    sealingKey: keyring === null ? SEALING_KEY : (keyring.held()?.sealingKey ?? null),
    addresses: node.endpoint === null && keyring !== null ? [] : [ownAddress(node)],
  });
  const nodeStatus = createNodeStatus(ownStatus, ports.clock, log);
  const codes = createPairingCodes(identity.commandKey, ports);
  const keyNow = () => (keyring === null ? ENROLMENT_KEY : (keyring.held()?.enrolmentKey ?? null));
  const relay = createRelay({
    identity,
    vault: opened.vault,
    verify: async (payload, signature) => standInVerify(identity.commandKey, payload, signature),
    journal,
    handlers: createHandlers({
      ports,
      log,
      dial: kubernetes.dialFor(process),
      turns,
      ledger,
      get enrolmentKey() {
        return keyNow() ?? new Uint8Array();
      },
      site: () => ({
        authorityPem: keyring?.held()?.authority.certPem ?? 'stand-in authority\n',
        serverName: 'enrolment.slipway.internal',
        addresses: parts.addresses(nodeStatus.standing()),
      }),
      makeIdentity: async (clusterName) => safe.makeIdentity(clusterName),
      period: nodeStatus.period,
      diagnose: async () => [],
      joinTokenMs: SIMULATED_JOIN_TOKEN_MS,
      ...(keyring === null ? {} : { keyring }),
      ...(parts.exchange === undefined ? {} : { exchange: parts.exchange }),
    }),
    transportFor: () => process.transport(parts.wire.send),
    maasEndpoints: null,
    dial: parts.dialFor(node, process),
    ports,
    log,
    bootId: parts.bootId ?? process.bootId,
    relayVersion: parts.releases?.runningOn(node).version ?? '0.0.0-simulated',
    nodeStatus,
    ...(keyring === null ? {} : { sessionParts: [codes, ...(parts.hooks?.sessionParts ?? [])] }),
    ...(parts.hooks?.tunnelEnded === undefined ? {} : { tunnelEnded: parts.hooks.tunnelEnded }),
    ...(parts.hooks?.heartbeat === undefined ? {} : { heartbeat: parts.hooks.heartbeat }),
  });
  const tunnel = new AbortController();
  const listen = (): void => {
    const key = keyNow();
    if (key === null || process.isGone || tunnel.signal.aborted) return;
    node.server = process;
    node.endpoint = createEndpoint({
      ...{ key, ledger, turns, ports, log: process.log(), emit: relay.emit, addressesOf: () => null },
      holdMs: () => (nodeStatus.standing().leader ? ENROLMENT_HOLD_MS : 0),
      ...(parts.offer === undefined ? {} : { offer: parts.offer(codes) }),
    });
  };
  listen();
  keyring?.onChange(() => {
    listen();
    nodeStatus.changed();
  });
  node.server = process;
  node.standing = nodeStatus.standing;
  node.parts.site.trace.say(node.name, 'serves');
  return running(node, relay, nodeStatus.standing, tunnel);
}

function running(node: RelayNode, relay: Relay, standing: () => Standing, tunnel: AbortController) {
  const ended = relay.run(tunnel.signal);
  return {
    ended,
    standing,
    drain: relay.drain,
    stop: async () => {
      const isThrough = await relay.drain();
      tunnel.abort();
      await ended;
      node.endpoint = null;
      return isThrough;
    },
  };
}
