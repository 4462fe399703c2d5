// What the relay asks of a cluster's Kubernetes API, as a port: client.ts is the real one. Every call has a time-out, answers
// with a value, and repeats nothing by itself.
import type { CommandFailure } from '../../shared/command.ts';
import type { Result } from '../../shared/result.ts';
import type { JoinToken } from './join-token-secret.ts';

/**
 * UNREACHABLE: no answer, a certificate that is not the cluster's, or an answer that is not Kubernetes'.
 * REFUSED: Kubernetes' own no; while an API server starts, that is 403, 404 and 500 for a minute (recordings `startup-*`).
 */
export type KubernetesFailure = Extract<
  CommandFailure,
  { code: 'KUBERNETES_UNREACHABLE' } | { code: 'KUBERNETES_REFUSED' }
>;
export type KubernetesCall<T> = Promise<Result<T, KubernetesFailure>>;

export type NodeView = {
  readonly name: string;
  readonly resourceVersion: string;
  readonly ready: boolean;
  /** Why it is not ready, in the kubelet's or the node controller's words; empty when ready. */
  readonly reason: string;
  readonly role: 'control-plane' | 'worker';
  readonly unschedulable: boolean;
  /** The controller says that nothing was heard of its kubelet. */
  readonly unreachable: boolean;
  readonly providerId: string | null;
  readonly internalIp: string | null;
  readonly kubeletVersion: string;
};

export type PodView = {
  readonly namespace: string;
  readonly name: string;
  readonly phase: string;
  readonly terminating: boolean;
  /** A static pod's reflection: it is the kubelet's and can't be removed through the API. */
  readonly mirror: boolean;
  readonly ofDaemonSet: boolean;
};

export type NodeEvent =
  | { readonly kind: 'present'; readonly node: NodeView }
  | { readonly kind: 'gone'; readonly name: string }
  | { readonly kind: 'bookmark'; readonly resourceVersion: string };

/** `ended`: by the server, as it always does; watch on from the last version. `expired`: that version is too old, list anew. */
export type WatchEnd =
  | { readonly kind: 'ended' }
  | { readonly kind: 'expired' }
  | { readonly kind: 'failed'; readonly detail: string };

/** `blocked`: a disruption budget forbids it now. `gone`: there is no such pod any more. */
export type Eviction = 'evicted' | 'blocked' | 'gone';

export type ConfigMapView = { readonly resourceVersion: string; readonly data: Readonly<Record<string, string>> };

/** An object of any kind, as a manifest gives it. */
export type KubernetesObject = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
};

export type KubernetesApi = {
  /** Not ready is an answer, with the reason in plain words. */
  readonly readiness: () => Promise<{ readonly ready: boolean; readonly detail: string }>;
  readonly listNodes: () => KubernetesCall<{ readonly nodes: readonly NodeView[]; readonly resourceVersion: string }>;
  /** Calls `onEvent` until the watch ends; it ends by itself after some 25 s, or when `signal` is aborted. */
  readonly watchNodes: (
    resourceVersion: string,
    onEvent: (event: NodeEvent) => void,
    signal: AbortSignal,
  ) => Promise<WatchEnd>;
  /** Null: there is no such node. */
  readonly readNode: (name: string) => KubernetesCall<NodeView | null>;
  readonly cordonNode: (name: string) => KubernetesCall<null>;
  /** False: there was none. */
  readonly deleteNode: (name: string) => KubernetesCall<boolean>;
  readonly listPodsOn: (nodeName: string) => KubernetesCall<readonly PodView[]>;
  readonly evictPod: (namespace: string, name: string) => KubernetesCall<Eviction>;
  /** Null: there is none. */
  readonly readConfigMap: (namespace: string, name: string) => KubernetesCall<ConfigMapView | null>;
  /** Puts these keys in, while the map is still of that version; REFUSED 409 when somebody else was quicker. */
  readonly changeConfigMap: (
    namespace: string,
    name: string,
    data: Readonly<Record<string, string>>,
    resourceVersion: string,
  ) => KubernetesCall<null>;
  /** Its life is measured by the API server's own clock: the relay's may be wrong. REFUSED 409 when there is one of that id. */
  readonly createJoinToken: (token: JoinToken) => KubernetesCall<null>;
  /** Server-side apply as `slipway`, taking over fields others hold. The object goes as it is, unknown fields included. */
  readonly apply: (object: KubernetesObject) => KubernetesCall<null>;
  readonly close: () => Promise<void>;
};
