// What the object of a gateway needs of its surroundings: workerd's, or a simulator's.
import type { ClusterId, EpochMs, Scope } from '../../shared/ids.ts';
import type { LogRecord } from '../log.ts';
import type { Alarm } from './alarm.ts';
import type { GatewayCatalogue } from './gateway-catalogue.ts';
import type { ClusterRpc } from './rpc.ts';
import type { Sql } from './sql.ts';
import type { Sockets } from './tunnel-session.ts';

/** What a gateway asks of the cluster that is its own machines. */
export type OwnClusterPort = Pick<
  ClusterRpc,
  'view' | 'relaysChanged' | 'requestAbort' | 'requestDeletion' | 'leftovers' | 'abandon' | 'changeMachines'
>;

export type GatewayPorts = {
  now(): EpochMs;
  readonly guardMs: number;
  /** LEASE_MS when left out. */
  readonly leaseMs?: number | undefined;
  readonly sql: Sql;
  readonly alarm: Alarm;
  readonly sockets: Sockets;
  cluster(scope: Scope, id: ClusterId): Pick<ClusterRpc, 'report' | 'gatewayConnected'>;
  ownCluster(scope: Scope, id: ClusterId): OwnClusterPort;
  readonly catalogue: GatewayCatalogue;
  sign(text: string): Promise<string>;
  /** What signs releases, told to relays that pair; null when this deployment publishes none. */
  readonly releaseKey: string | null;
  /** Raw public key of `sign`, base64url. */
  commandKey(): Promise<string>;
  verify(key: string, text: string, signature: string): Promise<boolean>;
  keyFingerprint(key: string): Promise<string>;
  randomBytes(count: number): Uint8Array;
  /** Calls back once after so many milliseconds; gives what cancels it. */
  after(ms: number, call: () => void): () => void;
  /** Lets work go on after the answer is given. */
  background(work: Promise<void>): void;
  log(record: LogRecord): void;
};
