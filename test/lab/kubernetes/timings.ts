// How long the stand-in's own parts take. All in milliseconds, all injectable, so that a test or a simulator sets them.

export type Timings = {
  /** From a change to the controllers' reaction. */
  readonly reconcileMs: number;
  /** From the network plugin's arrival (or a node's registration after it) to Ready. */
  readonly cniReadyMs: number;
  /** A silent kubelet's grace until its node turns Unknown: 40 s on a real cluster. */
  readonly kubeletGraceMs: number;
  readonly podStartMs: number;
  readonly podStopMs: number;
  /** From a node's deletion to the removal of its pods. */
  readonly podCollectMs: number;
  /** From approval to certificate: 0.1 s as recorded. */
  readonly signMs: number;
  /** From Established to served: about 0.4 s as recorded. */
  readonly crdServedMs: number;
  /** How long /readyz waits for etcd before it says no: 2–4 s as recorded. */
  readonly etcdCheckMs: number;
  /** A write without ?timeout= gives up after this long without a quorum. */
  readonly writeTimeoutMs: number;
};

export const DEFAULT_TIMINGS: Timings = {
  reconcileMs: 10,
  cniReadyMs: 300,
  kubeletGraceMs: 40_000,
  podStartMs: 200,
  podStopMs: 200,
  podCollectMs: 500,
  signMs: 50,
  crdServedMs: 100,
  etcdCheckMs: 2_000,
  writeTimeoutMs: 34_000,
};
