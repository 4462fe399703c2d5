// What `observe-cluster` does about Kubernetes: opens the cluster's identity and watches until told to stop.
import type { ClusterAccess } from '../../shared/command.ts';
import type { CommandContext } from '../commands/handler.ts';
import { openIdentity } from '../commands/identity.ts';
import type { ClusterDial } from './connect.ts';
import { watchCluster } from './watch-cluster.ts';

/** Resolves when the context's signal is aborted, or at once (said as an API that is not ready) when the identity can't be opened. */
export function watchAccess(dial: ClusterDial): (access: ClusterAccess, context: CommandContext) => Promise<void> {
  return async (access, context) => {
    const { emit, signal, ports } = context;
    const identity = await openIdentity(context, access.identity);
    if (!identity.ok) {
      context.log.error('identity-unreadable', { detail: identity.error.detail });
      emit({ kind: 'api-server', ready: false, detail: 'the relay cannot open the identity of this cluster' });
      return;
    }
    const api = dial.kubernetes(access.server, identity.value);
    const etcd = dial.etcd(identity.value);
    try {
      await watchCluster({ api, etcd, ports, emit, signal });
    } finally {
      await Promise.all([api.close(), etcd.close()]);
    }
  };
}
