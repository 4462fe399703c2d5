// Tells the clusters of a gateway what they still have to be told. What fails is told again later, ever more slowly.
import type { ClusterId, EpochMs } from '../../shared/ids.ts';
import { type LogRecord, messageOf } from '../log.ts';
import type { ClusterNotices } from './cluster-notices.ts';
import type { ClusterRpc } from './rpc.ts';

export type TellingPorts = {
  now(): EpochMs;
  readonly notices: ClusterNotices;
  /** Null once the gateway is removed. */
  cluster(id: ClusterId): Pick<ClusterRpc, 'gatewayConnected'> | null;
  log(record: LogRecord): void;
};

export async function tellClusters({ now, notices, cluster, log }: TellingPorts): Promise<void> {
  for (const { clusterId, connected, failures } of notices.due(now())) {
    try {
      await cluster(clusterId)?.gatewayConnected(connected);
      notices.told(clusterId, connected);
    } catch (error) {
      log({ event: 'notice-failed', cluster: clusterId, cause: messageOf(error) });
      notices.failed(clusterId, failures, now());
    }
  }
}
