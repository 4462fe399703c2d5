// Watches one cluster and says what changed: whether its API answers, its nodes, its etcd members. Level-triggered: whatever
// breaks, the next list puts it right, and only differences are told.
import { fullJitter } from '../../shared/backoff.ts';
import type { ClusterFact } from '../../shared/observation.ts';
import { type Ports, sleep } from '../ports.ts';
import type { EtcdApi } from './etcd-members.ts';
import type { KubernetesApi, NodeEvent, NodeView } from './kubernetes-api.ts';

export type ClusterWatch = {
  readonly api: KubernetesApi;
  readonly etcd: EtcdApi;
  readonly ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  readonly emit: (fact: ClusterFact) => void;
  readonly signal: AbortSignal;
};

/** How often the API is asked while somebody waits for it to come up, and afterwards. */
const STARTING_POLL_MS = 1_000;
const READY_POLL_MS = 10_000;
/** Failed answers in a row before an API that was ready counts as gone: a virtual address moves within seconds. */
const FAILURES_TO_COUNT = 3;
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 10_000;
/** A full list at least so often, in case an event was lost. */
const WATCHES_PER_LIST = 24;
const ETCD_POLL_MS = 15_000;
/** While members and control-plane nodes differ, one is joining or leaving and the next waits for it. */
const ETCD_SETTLING_POLL_MS = 1_000;

/** Runs until `signal` is aborted. Never throws for what the cluster does. */
export async function watchCluster(watch: ClusterWatch): Promise<void> {
  const bell = createBell();
  const told = changesOnly((fact) => {
    watch.emit(fact);
    // A control plane that came, went or changed is what changes etcd.
    if (fact.kind === 'node' && fact.role === 'control-plane') bell.ring();
  });
  const ready = createGate();
  const nodes = new Map<string, NodeView>();
  await Promise.all([
    watchReadiness(watch, told, ready),
    watchNodes(watch, told, ready, nodes),
    watchMembers(watch, told, bell, nodes),
  ]);
}

/** Open while the API is ready; `passed` waits for that. */
type Gate = {
  readonly set: (open: boolean) => void;
  readonly isOpen: () => boolean;
  readonly passed: (signal: AbortSignal) => Promise<void>;
};

function createGate(): Gate {
  let open = false;
  const waiting = new Set<() => void>();
  return {
    set: (next) => {
      open = next;
      if (open) for (const go of waiting) go();
    },
    isOpen: () => open,
    passed: (signal) =>
      new Promise((resolve) => {
        if (open || signal.aborted) return resolve();
        const go = (): void => {
          waiting.delete(go);
          signal.removeEventListener('abort', go);
          resolve();
        };
        waiting.add(go);
        signal.addEventListener('abort', go);
      }),
  };
}

async function watchReadiness({ api, ports, signal }: ClusterWatch, told: Told, gate: Gate): Promise<void> {
  let failures = FAILURES_TO_COUNT;
  while (!signal.aborted) {
    const { ready, detail } = await api.readiness();
    if (signal.aborted) return;
    failures = ready ? 0 : failures + 1;
    if (ready || failures >= FAILURES_TO_COUNT) {
      gate.set(ready);
      told('api-server', { kind: 'api-server', ready, detail: detail.slice(0, 500) });
    }
    await sleep(ports.timers, ready ? READY_POLL_MS : STARTING_POLL_MS, signal);
  }
}

async function watchNodes(watch: ClusterWatch, told: Told, gate: Gate, nodes: Map<string, NodeView>): Promise<void> {
  const { ports, signal } = watch;
  let failures = 0;
  while (!signal.aborted) {
    await gate.passed(signal);
    if (signal.aborted) return;
    const wentWell = await listAndWatch(watch, told, nodes);
    failures = wentWell ? 0 : failures + 1;
    const jitter = fullJitter(failures, RETRY_MS_MIN, RETRY_MS_MAX, ports.random.fraction());
    await sleep(ports.timers, RETRY_MS_MIN + (wentWell ? 0 : jitter), signal);
  }
}

/** One list, then watches from where it stands until one fails. False when nothing was learned. */
async function listAndWatch(watch: ClusterWatch, told: Told, nodes: Map<string, NodeView>): Promise<boolean> {
  const { api, ports, signal } = watch;
  const listed = await api.listNodes();
  if (signal.aborted || !listed.ok) return false;
  replaceAll(nodes, listed.value.nodes, told);
  let version = listed.value.resourceVersion;
  for (let watches = 0; watches < WATCHES_PER_LIST && !signal.aborted; watches += 1) {
    const begunMs = ports.clock.monotonicMs();
    const take = (event: NodeEvent): void => {
      version = takeEvent(event, nodes, told) ?? version;
    };
    const end = await api.watchNodes(version, take, signal);
    if (end.kind !== 'ended') return end.kind === 'expired';
    // A server that ends each watch at once is asked no faster for that.
    if (ports.clock.monotonicMs() - begunMs < RETRY_MS_MIN) await sleep(ports.timers, RETRY_MS_MIN, signal);
  }
  return true;
}

/** Answers the version to watch on from, where the event has one. */
function takeEvent(event: NodeEvent, nodes: Map<string, NodeView>, told: Told): string | null {
  switch (event.kind) {
    case 'present':
      nodes.set(event.node.name, event.node);
      told(`node/${event.node.name}`, factOf(event.node));
      return event.node.resourceVersion;
    case 'gone':
      forget(event.name, nodes, told);
      return null;
    case 'bookmark':
      return event.resourceVersion;
  }
}

function replaceAll(nodes: Map<string, NodeView>, listed: readonly NodeView[], told: Told): void {
  const names = new Set(listed.map((node) => node.name));
  for (const name of [...nodes.keys()]) if (!names.has(name)) forget(name, nodes, told);
  for (const node of listed) {
    nodes.set(node.name, node);
    told(`node/${node.name}`, factOf(node));
  }
}

function forget(name: string, nodes: Map<string, NodeView>, told: Told): void {
  const node = nodes.get(name);
  if (node === undefined) return;
  nodes.delete(name);
  told(`node/${name}`, { ...factOf(node), present: false, ready: false, reason: '' });
}

function factOf(node: NodeView): Extract<ClusterFact, { kind: 'node' }> {
  const { name, ready, role, providerId, internalIp, kubeletVersion, reason } = node;
  return { kind: 'node', name, present: true, ready, role, providerId, internalIp, kubeletVersion, reason };
}

/** Ends the sleep of whoever waits for it. */
type Bell = { readonly ring: () => void; readonly rung: () => AbortSignal };

function createBell(): Bell {
  let next = new AbortController();
  return {
    ring: () => {
      next.abort();
      next = new AbortController();
    },
    rung: () => next.signal,
  };
}

async function watchMembers(watch: ClusterWatch, told: Told, bell: Bell, nodes: Map<string, NodeView>): Promise<void> {
  const { ports, signal } = watch;
  while (!signal.aborted) {
    const rung = bell.rung();
    const controlPlanes = [...nodes.values()].filter((node) => node.role === 'control-plane');
    const settled = controlPlanes.length === 0 || (await tellMembers(watch, told, controlPlanes));
    await sleep(ports.timers, settled ? ETCD_POLL_MS : ETCD_SETTLING_POLL_MS, AbortSignal.any([signal, rung]));
  }
}

/** False while there is more to come: no answer, a member that is no node or is not healthy, a node that is no member. */
async function tellMembers({ etcd, signal }: ClusterWatch, told: Told, controlPlanes: NodeView[]): Promise<boolean> {
  const peers = controlPlanes
    .toSorted((a, b) => Number(b.ready) - Number(a.ready))
    .flatMap((node) => (node.internalIp === null ? [] : [node.internalIp]));
  const listed = await etcd.listMembers(peers);
  if (signal.aborted || !listed.ok) return false;
  const members = listed.value
    .map(({ id, name, healthy, learner }) => ({ id, name, healthy, learner }))
    .toSorted((a, b) => a.name.localeCompare(b.name));
  told('etcd-members', { kind: 'etcd-members', members });
  return members.length === controlPlanes.length && members.every((member) => member.healthy && !member.learner);
}

type Told = (subject: string, fact: ClusterFact) => void;

/** Passes a fact on when it differs from the last one of its subject. Of nodes that are gone nothing is kept. */
function changesOnly(emit: (fact: ClusterFact) => void): Told {
  const last = new Map<string, string>();
  return (subject, fact) => {
    const text = JSON.stringify(fact);
    if (last.get(subject) === text) return;
    if (fact.kind === 'node' && !fact.present) last.delete(subject);
    else last.set(subject, text);
    emit(fact);
  };
}
