// One relay, put together from its ports: journal, outbox, lease, dispatch and tunnel. No adapter is named here, so the
// simulator runs this very file with seeded ports (run.ts gives the real ones).
import type { ClusterId } from '../shared/ids.ts';
import type { ClusterFact, Observation } from '../shared/observation.ts';
import { createAccountClients } from './commands/account-clients.ts';
import { createDispatch, type Dispatch } from './commands/dispatch.ts';
import type { Handlers } from './commands/handler.ts';
import { createRunCommand } from './commands/run-command.ts';
import type { Identity } from './identity.ts';
import type { Journal } from './journal.ts';
import type { Log } from './log.ts';
import type { TlsTrust } from './maas/tls-trust.ts';
import type { MaasTransport } from './maas/transport.ts';
import type { Ports } from './ports.ts';
import { type BusyLease, createBusyLease } from './tunnel/busy-lease.ts';
import {
  type Caller,
  type ConnectionOutcome,
  connect,
  type Heartbeat,
  type SessionEvents,
} from './tunnel/connection.ts';
import type { Dial } from './tunnel/dial.ts';
import { createLease, type Lease } from './tunnel/lease.ts';
import type { NodeStatus } from './tunnel/node-status.ts';
import { createOutbox, type Outbox } from './tunnel/outbox.ts';
import type { SessionPart } from './tunnel/session-part.ts';
import { keepTunnel } from './tunnel/supervisor.ts';
import type { Vault } from './vault.ts';

export type RelayParts = {
  readonly identity: Identity;
  readonly vault: Pick<Vault, 'sign' | 'open' | 'seal'>;
  /** Whether `signature` is the pinned command key's over `payload`. */
  readonly verify: Caller['verify'];
  readonly journal: Journal;
  readonly handlers: Handlers;
  readonly transportFor: (trust: TlsTrust) => MaasTransport;
  /** Normalised; null allows any. */
  readonly maasEndpoints: readonly string[] | null;
  readonly dial: Dial;
  readonly ports: Ports;
  readonly log: Log;
  /** New at each start of the process. */
  readonly bootId: string;
  readonly relayVersion: string;
  /** Absent: the relay tells nothing of itself, and counts as the only one. */
  readonly nodeStatus?: NodeStatus;
  /** Hears every fact on its way up. */
  readonly observed?: (observation: Observation) => void;
  /** What else speaks in a session. */
  readonly sessionParts?: readonly SessionPart[];
  /** Of a new program that is watched by the former one. */
  readonly heartbeat?: Heartbeat;
  /** Hears how each connection ended, before the next is dialled. */
  readonly tunnelEnded?: (end: ConnectionOutcome['end']) => void;
};

export type Relay = {
  /** Facts from beside the commands: what machines tell the enrolment endpoint. */
  readonly emit: (clusterId: ClusterId, fact: ClusterFact) => void;
  /** Carries on what a former process left, and keeps the tunnel until `signal` is aborted. Never rejects. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** Before the end: lets what has begun get to a safe point, with the tunnel still open to tell it, and gives the lease back. */
  readonly drain: () => Promise<boolean>;
};

export function createRelay(parts: RelayParts): Relay {
  const { journal, ports, log } = parts;
  const outbox = createOutbox(ports, log);
  const { nodeStatus } = parts;
  const lease = createLease(ports, log, { releases: nodeStatus !== undefined });
  const busy = nodeStatus === undefined ? null : createBusyLease(lease, nodeStatus, ports.timers);
  const run = createRunCommand({
    handlers: parts.handlers,
    journal,
    lease,
    vault: parts.vault,
    maas: createAccountClients(ports, parts.transportFor, parts.maasEndpoints),
    observe: (observation) => {
      parts.observed?.(observation);
      busy?.stir();
      outbox.observe(observation);
    },
    ports,
    log,
  });
  const dispatch = createDispatch({ identity: parts.identity, journal, outbox, run, epoch: lease.epoch, ports, log });
  const session = sessionEvents(parts, outbox, lease, dispatch, busy);
  const { identity, bootId, relayVersion, verify } = parts;
  return {
    emit: (clusterId, fact) => outbox.observe({ clusterId, at: ports.clock.now(), fact }),
    run: (signal) => {
      dispatch.resume();
      const connectOnce = async (joinCounter: number): Promise<ConnectionOutcome> => {
        const watched = parts.heartbeat === undefined ? {} : { heartbeat: parts.heartbeat };
        const sign = parts.vault.sign;
        const caller: Caller = { identity, bootId, relayVersion, joinCounter, sign, verify, ...watched };
        const outcome = await connect(caller, parts.dial, session, ports, log, signal);
        parts.tunnelEnded?.(outcome.end);
        return outcome;
      };
      return keepTunnel(connectOnce, journal.nextJoinCounter, ports, log, signal);
    },
    drain: async () => {
      const isThrough = await dispatch.drain();
      if (isThrough) lease.end();
      return isThrough;
    },
  };
}

function sessionEvents(
  { log, nodeStatus, sessionParts = [] }: RelayParts,
  outbox: Outbox,
  lease: Lease,
  dispatch: Dispatch,
  busy: BusyLease | null,
): SessionEvents {
  return {
    began: (welcome, send) => {
      log.info('tunnel-serving', { session: welcome.sessionId, outstanding: welcome.outstanding.length });
      // First what is over, then anything that lets mutations go on.
      dispatch.keepOnly(welcome.outstanding);
      nodeStatus?.attach(send);
      outbox.attach(send);
      lease.attach(send);
      for (const part of sessionParts) part.attach(send);
    },
    delivered: async ({ commands, unknown }, answer) => {
      if (commands.some(({ clusterId }) => clusterId !== null)) busy?.stir();
      if (unknown.length > 0) dispatch.refuse(unknown, answer);
      if (commands.length > 0) await dispatch.deliver(commands, answer);
    },
    other: (frame) => {
      switch (frame.type) {
        case 'report-ack':
          return outbox.reportsAcked(frame.commandIds);
        case 'observation-ack':
          return outbox.observationsAcked(frame.seq);
        case 'lease':
          return lease.granted(frame);
        case 'lease-refused':
          return lease.refused(frame);
        case 'withdraw':
          return dispatch.withdraw(frame.commandIds);
        case 'standing':
          return nodeStatus?.take(frame);
        case 'pairing-code-ack':
        case 'installation-state':
          for (const part of sessionParts) part.take(frame);
      }
    },
    ended: () => {
      outbox.detach();
      lease.detach();
      nodeStatus?.detach();
      for (const part of sessionParts) part.detach();
    },
  };
}
