// Tells the clusters of a gateway whether a relay is connected, and again those that did not hear.
import type { ClusterId, EpochMs } from '../../shared/ids.ts';
import { type LogRecord, messageOf } from '../log.ts';
import type { ClusterNotices } from './cluster-notices.ts';
import type { ClusterRpc } from './rpc.ts';
import { SingleFlight } from './single-flight.ts';

export type NoticeTellerPorts = {
  now(): EpochMs;
  readonly notices: ClusterNotices;
  /** Null when the gateway is gone. */
  clusterOf(id: ClusterId): Pick<ClusterRpc, 'gatewayConnected'> | null;
  arm(): void;
  log(record: LogRecord): void;
};

/** Tells all that is due. One run at a time. */
export function noticeTeller({ now, notices, clusterOf, arm, log }: NoticeTellerPorts): SingleFlight {
  return new SingleFlight(async () => {
    for (const { clusterId, connected, failures } of notices.due(now())) {
      try {
        await clusterOf(clusterId)?.gatewayConnected(connected);
        notices.told(clusterId, connected);
      } catch (error) {
        log({ event: 'notice-failed', cluster: clusterId, cause: messageOf(error) });
        notices.failed(clusterId, failures, now());
      }
    }
    arm();
  });
}
