// What clusters ask of their gateway: to take their commands, to take them back, and whether it is there. While the gateway is
// upgraded a cluster that is new here stands in line first (U6).
import type { Command, CommandId } from '../../shared/command.ts';
import type { ClusterId, EpochMs, ProjectId } from '../../shared/ids.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { LogRecord } from '../log.ts';
import type { ClusterNotices } from './cluster-notices.ts';
import type { CommandQueue } from './command-queue.ts';
import type { GatewayStorage } from './gateway-storage.ts';
import { sendWithdraw } from './send-withdraw.ts';
import type { Sockets } from './tunnel-session.ts';

export type IntakePorts = {
  now(): EpochMs;
  readonly storage: GatewayStorage;
  readonly sockets: Sockets;
  readonly queue: CommandQueue;
  readonly notices: ClusterNotices;
  isConnected(): boolean;
  /** Whether the gateway is being upgraded at this moment. */
  isUpgrading(): boolean;
  deliverAndTell(): void;
  log(record: LogRecord): void;
};

export class ClusterIntake {
  readonly #ports: IntakePorts;

  constructor(ports: IntakePorts) {
    this.#ports = ports;
  }

  /** @param project of the cluster; the gateway's own when left out */
  enqueue(commands: readonly Command[], project?: ProjectId): Result<null, ApiFailure> {
    const { queue, now, sockets, notices, log, isConnected, deliverAndTell } = this.#ports;
    const refused = this.#line(commands);
    if (refused !== null) return err(refused);
    const added = queue.add(commands, now(), null, project);
    if (!added.ok) return added;
    const { superseded, strangers, changed } = added.value;
    for (const commandId of changed) log({ event: 'command-changed', code: 'CONFIGURATION_CHANGED', commandId });
    sendWithdraw(sockets, superseded);
    // A cluster that is new here does not know yet whether a relay is connected.
    notices.put(strangers, isConnected());
    deliverAndTell();
    return ok(null);
  }

  withdraw(commandIds: readonly CommandId[]): void {
    const { queue, now, sockets } = this.#ports;
    sendWithdraw(sockets, queue.withdraw(commandIds, now()));
  }

  /** What it believes and is not so, it is told. @returns whether a relay is heard of */
  link(cluster: ClusterId, believed: boolean, queued: boolean): boolean {
    const { storage, notices, isConnected, deliverAndTell } = this.#ports;
    const connected = isConnected();
    const inLine = storage.line.ahead(cluster) !== null;
    if (connected !== believed || inLine !== queued) notices.put([cluster], connected);
    deliverAndTell();
    return connected;
  }

  leave(cluster: ClusterId): void {
    const { storage, notices, now, isConnected, deliverAndTell } = this.#ports;
    const behind = storage.line.leave(cluster);
    if (behind === null) return;
    storage.timeline.add([{ kind: 'queue', message: `Cluster ${cluster} was given up and waits no more.` }], now());
    notices.put(behind, isConnected());
    deliverAndTell();
  }

  /** Whoever is refused is told its place, again with each try: its commands stay with it until it hears, or until it may begin. */
  #line(commands: readonly Command[]): ApiFailure | null {
    const { storage, queue, notices, now, isConnected, isUpgrading, deliverAndTell } = this.#ports;
    if (!isUpgrading()) return null;
    const own = storage.own.read().cluster?.id;
    const isStranger = (id: ClusterId | null): id is ClusterId => id !== null && id !== own && !queue.knowsCluster(id);
    const strangers = new Set(commands.map(({ clusterId }) => clusterId).filter(isStranger));
    if (strangers.size === 0) return null;
    let failure = apiFailure('GATEWAY_UPGRADING');
    for (const id of strangers) {
      const joined = storage.line.join(id, now());
      if (joined === 'full') failure = apiFailure('UPGRADE_QUEUE_FULL');
      if (joined !== 'joined') continue;
      const message = `Cluster ${id} waits for the upgrade to end; ${storage.line.ahead(id)} are ahead of it.`;
      storage.timeline.add([{ kind: 'queue', message }], now());
    }
    notices.put(
      [...strangers].filter((id) => storage.line.ahead(id) !== null),
      isConnected(),
    );
    deliverAndTell();
    return failure;
  }
}
