// Tells the clusters of a gateway whether a relay is connected and whether they stand in line, and again those that did not hear.
import type { ClusterId, EpochMs } from '../../shared/ids.ts';
import { type LogRecord, messageOf } from '../log.ts';
import type { ClusterNotices } from './cluster-notices.ts';
import type { GatewayStorage } from './gateway-storage.ts';
import type { ClusterRpc } from './rpc.ts';
import { SingleFlight } from './single-flight.ts';

export type NoticeTellerPorts = {
  now(): EpochMs;
  readonly notices: ClusterNotices;
  readonly storage: Pick<GatewayStorage, 'line'>;
  /** Null when the gateway is gone. */
  clusterOf(id: ClusterId): Pick<ClusterRpc, 'gatewayConnected'> | null;
  arm(): void;
  log(record: LogRecord): void;
};

/** Tells all that is due. One run at a time. */
export function noticeTeller({ now, notices, storage, clusterOf, arm, log }: NoticeTellerPorts): SingleFlight {
  return new SingleFlight(async () => {
    for (const { clusterId, connected, failures } of notices.due(now())) {
      try {
        const ahead = storage.line.ahead(clusterId);
        await clusterOf(clusterId)?.gatewayConnected(connected, ahead);
        // Its place may have changed while it was told: then the newer word is still to be said.
        if (storage.line.ahead(clusterId) === ahead) notices.told(clusterId, connected);
      } catch (error) {
        log({ event: 'notice-failed', cluster: clusterId, cause: messageOf(error) });
        notices.failed(clusterId, failures, now());
      }
    }
    arm();
  });
}
