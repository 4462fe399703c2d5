// Every verb and who carries it out.
import type { InventoryFacts } from '../../shared/inventory.ts';
import { renderUserData } from '../bootstrap/render-user-data.ts';
import type { Ledger } from '../enrolment/ledger.ts';
import { makeToken } from '../enrolment/token.ts';
import type { Turns } from '../enrolment/turns.ts';
import type { Keyring } from '../keyring.ts';
import type { ClusterDial } from '../kubernetes/connect.ts';
import { watchAccess } from '../kubernetes/watch-access.ts';
import type { Log } from '../log.ts';
import { createAccountPolls, createObserveCluster } from '../observe/observe-cluster.ts';
import type { Ports } from '../ports.ts';
import type { ProgramExchange } from '../program/program-exchange.ts';
import { observeAccount, observeInventory } from './accounts.ts';
import { ensureAddress, ensureAddressReleased } from './addresses.ts';
import { ensureBootstrap } from './bootstrap.ts';
import { ensureCertificate } from './certificates.ts';
import { ensureGatewayKey, ensureNodeKey, ensureRecoveryBundle, noKeyring } from './gateway-keys.ts';
import type { Handlers } from './handler.ts';
import { ensureIdentityMadeBy, type MakeIdentity } from './identity.ts';
import { ensureKubernetesVersion } from './kubernetes-version.ts';
import { createMachineHandlers } from './machines.ts';
import { ensureApplied } from './manifests.ts';
import { ensureMemberRemoved } from './members.ts';
import { ensureNodeRemoved } from './nodes.ts';
import { type Diagnose, observeNode } from './observe-node.ts';
import { ensureRelayProgram } from './relay-program.ts';

/** What machines are told about this relay. May change while it runs. */
export type EnrolmentSite = {
  readonly authorityPem: string;
  /** What a machine that pins this authority checks. */
  readonly serverName: string;
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
};

export type HandlerParts = {
  readonly ports: Ports;
  readonly log: Log;
  readonly dial: ClusterDial;
  readonly turns: Turns;
  readonly ledger: Ledger;
  /** Asked for each time: it may come while the relay runs. */
  readonly enrolmentKey: Uint8Array;
  readonly site: () => EnrolmentSite;
  readonly makeIdentity: MakeIdentity;
  /** Absent: the gateway has this one relay, and its key never moves. */
  readonly keyring?: Keyring;
  /** Hears each inventory that was read. */
  readonly inventoried?: (inventory: InventoryFacts) => void;
  readonly diagnose: Diagnose;
  /** NodeStatus.period. Absent: the relay always leads. */
  readonly period?: () => number;
  /** Life of the tokens that machines join with, shorter where the planner's waits are. Absent: production's. */
  readonly joinTokenMs?: number;
  /** Absent: this relay can't exchange its program. */
  readonly exchange?: ProgramExchange;
};

export function createHandlers(parts: HandlerParts): Handlers {
  const { ports, log, dial, turns, ledger, site, makeIdentity, keyring = noKeyring } = parts;
  const polls = createAccountPolls(ports, log, parts.period);
  return {
    'observe-account': observeAccount,
    'observe-inventory': observeInventory(parts.inventoried ?? (() => {})),
    'observe-node': observeNode(parts.diagnose),
    'observe-cluster': createObserveCluster(polls, watchAccess(dial)),
    'ensure-identity': ensureIdentityMadeBy(makeIdentity),
    'ensure-address': ensureAddress,
    'ensure-address-released': ensureAddressReleased,
    ...createMachineHandlers({
      dial,
      touched: polls.touched,
      userDataFor: (order) => {
        const { authorityPem, serverName, addresses } = site();
        const token = makeToken(parts.enrolmentKey, order);
        const pinned = { enrolmentCaPem: authorityPem, serverName };
        return Buffer.from(renderUserData({ ...order, ...pinned, relayAddresses: addresses, token }));
      },
    }),
    'ensure-bootstrap': ensureBootstrap({ turns, ledger, dial, joinTokenMs: parts.joinTokenMs }),
    'ensure-applied': ensureApplied(dial),
    'ensure-node-removed': ensureNodeRemoved(dial),
    'ensure-member-removed': ensureMemberRemoved(dial),
    'ensure-kubernetes-version': ensureKubernetesVersion(dial),
    'ensure-certificate': ensureCertificate,
    'ensure-node-key': ensureNodeKey(keyring),
    'ensure-gateway-key': ensureGatewayKey(keyring),
    'ensure-relay-program': ensureRelayProgram(parts.exchange),
    'ensure-recovery-bundle': ensureRecoveryBundle(keyring),
  };
}
