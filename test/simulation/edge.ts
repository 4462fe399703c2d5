// The edge of a simulated world: the objects of one gateway and its clusters, the catalogue, the cron sweep. The logic is the
// shipped one; workerd's part is object-host.ts.
import { createHash } from 'node:crypto';
import { ClusterLogic } from '../../functions/objects/cluster-logic.ts';
import { GatewayLogic } from '../../functions/objects/gateway-logic.ts';
import type { GatewayPorts } from '../../functions/objects/gateway-ports.ts';
import { plannerBrain } from '../../functions/objects/planner-brain.ts';
import type { CatalogueRow } from '../../functions/objects/run-effects.ts';
import type { ClusterState } from '../../functions/plan/cluster-state.ts';
import type { Plan } from '../../functions/plan/plan.ts';
import type { Dial } from '../../relay/tunnel/dial.ts';
import type { ClusterId, Scope } from '../../shared/ids.ts';
import type { Waits } from '../../shared/limits.ts';
import { CLOSE } from '../../shared/tunnel-frame.ts';
import { NO_OWN_MACHINES } from '../support/no-own-machines.ts';
import { ObjectHost } from './object-host.ts';
import { type Random, randomOf } from './prng.ts';
import { projectRow } from './project-row.ts';
import type { RelayProcess } from './relay-process.ts';
import type { Site } from './site.ts';
import { standInSign, standInVerify } from './stand-in-crypto.ts';
import { TunnelLink } from './tunnel-link.ts';

export const ORIGIN = 'https://slipway.test';
export const COMMAND_KEY = 'k'.repeat(43);
const SWEEP_MS = 300_000;
/** functions/clock.ts: an alarm may be late by seconds. */
export const OVERDUE_MS = 60_000;
/** A life has some dozens, a month thousands: closed ones are forgotten then, not only when the object starts. */
const LINKS_MAX = 200;

export type ClusterHost = ObjectHost<ClusterLogic>;
export type GatewayHost = ObjectHost<GatewayLogic>;

/** What a cluster's object has decided: `state` is what it last committed. */
export type ClusterRecord = {
  readonly id: ClusterId;
  readonly host: ClusterHost;
  state: ClusterState | null;
  staged: { state: ClusterState; plan: Plan } | null;
  plan: Plan | null;
  commits: number;
};

export class Edge {
  readonly #site: Site;
  readonly #waits: Waits;
  readonly #random: Random;
  readonly scope: Scope;
  readonly gateway: GatewayHost;
  readonly clusters = new Map<ClusterId, ClusterRecord>();
  readonly catalogue = new Map<string, CatalogueRow>();
  readonly links = new Set<TunnelLink>();
  readonly #owners = new WeakMap<TunnelLink, RelayProcess>();
  onFrame: (process: RelayProcess, direction: 'up' | 'down', text: string) => void = () => {};
  /** After each commit of a cluster's object that changed its state. */
  onState: (record: ClusterRecord, before: ClusterState | null) => void = () => {};
  onLog: (where: string, record: Record<string, unknown>) => void = () => {};
  /** Of a gateway with machines of its own. */
  ownPorts: (host: GatewayHost) => Pick<GatewayPorts, 'ownCluster' | 'catalogue'> = () => NO_OWN_MACHINES;
  onSweep: () => void = () => {};
  /** What signs releases; null: this deployment publishes none. */
  releaseKey: string | null = null;

  constructor(site: Site, seed: number, scope: Scope, waits: Waits) {
    this.#site = site;
    this.#waits = waits;
    this.scope = scope;
    this.#random = randomOf(seed, 'edge');
    this.gateway = new ObjectHost<GatewayLogic>(site, 'gateway', (host) => this.#gatewayLogic(host));
    this.gateway.onLost = () => this.#loseLinks();
  }

  addCluster(id: ClusterId): ClusterRecord {
    const host: ClusterHost = new ObjectHost<ClusterLogic>(this.#site, id, () => this.#clusterLogic(record));
    const record: ClusterRecord = { id, host, state: null, staged: null, plan: null, commits: 0 };
    host.onCommit = () => {
      const { staged } = record;
      if (staged === null) return;
      const before = record.state;
      record.state = staged.state;
      record.plan = staged.plan;
      record.staged = null;
      record.commits += 1;
      this.onState(record, before);
    };
    host.onLost = () => {
      record.staged = null;
    };
    this.clusters.set(id, record);
    return record;
  }

  /** The gateway may ask for it before it is made. */
  own(id: ClusterId): ClusterRecord {
    return this.clusters.get(id) ?? this.addCluster(id);
  }

  now(): number {
    return this.#site.timeline.now;
  }

  violate(rule: string, what: string): void {
    this.#site.violate(rule, what);
  }

  /** A call to the gateway with nothing in between, before the storm. */
  atOnce<T>(method: (gateway: GatewayLogic) => Promise<T>): T {
    let got: { readonly value: T } | null = null;
    this.gateway.turn('set-up', (logic) => {
      void method(logic).then((value) => {
        got = { value };
      });
    });
    return answered(got);
  }

  /** Opens sockets for one process of a relay. */
  dialFor(process: RelayProcess, isCutOff: () => boolean): Dial {
    return (_url, events) => {
      const { faults, network, timeline } = this.#site;
      const link: TunnelLink = new TunnelLink(this.#site, {
        label: `tunnel of ${process.bootId}`,
        events,
        toRelay: (delayMs, work) => void process.hear(delayMs, work),
        out: (effect) => this.gateway.out(effect),
        received: (socket, text) => this.gateway.turn('frame', (logic) => this.#minded(logic.received(socket, text))),
        closed: (socket) => this.gateway.turn('closed', (logic) => this.#minded(logic.closed(socket))),
        onSend: (direction, text) => this.onFrame(process, direction, text),
      });
      const refuse = (detail: string): void =>
        void process.hear(network.between(5, 8_000), () => events.closed({ kind: 'unreachable', detail }));
      if (isCutOff() || faults.strikes('dial-fails')) refuse('no route to host (simulated)');
      else
        timeline.after(network.between(5, 60), () => {
          if (process.isGone || link.wasGivenUp) return;
          if (this.links.size > LINKS_MAX) this.#prune();
          this.links.add(link);
          this.#owners.set(link, process);
          link.established();
          this.gateway.turn('upgrade', (logic) => {
            if (logic.refusesSockets() === 'removed') link.edge.close(CLOSE.REVOKED, 'the gateway was deleted');
            else logic.opened(link.edge, ORIGIN);
          });
          process.hear(network.between(5, 40), () => events.opened());
        });
      return link.relay;
    };
  }

  relayGone(node: string, told: boolean): void {
    for (const link of this.links) {
      const owner = this.#owners.get(link);
      if (owner?.name === node && owner.isGone) link.relayGone(told);
    }
  }

  /** The links of a node that go on. */
  linksOf(node: string): TunnelLink[] {
    return [...this.links].filter((link) => this.#owners.get(link)?.name === node && link.isOpen);
  }

  close(): void {
    this.gateway.storage.close();
    for (const { host } of this.clusters.values()) host.storage.close();
  }

  /** Every five minutes: what should have woken and did not. */
  sweepForever(): void {
    this.#site.timeline.after(SWEEP_MS, () => {
      for (const row of this.catalogue.values()) {
        if (row.wakeAt === null || row.wakeAt > this.#site.timeline.now - OVERDUE_MS) continue;
        const record = this.clusters.get(row.id);
        if (record === undefined) continue;
        this.#site.trace.say('sweep', `pokes ${row.id}`);
        record.host.call(NOBODY(this.#site), 'poke', (logic) => logic.poke()).catch(() => undefined);
      }
      this.onSweep();
      this.sweepForever();
    });
  }

  /** A deployment: every object starts anew, every socket is dropped. */
  deploy(): void {
    for (const { host } of this.clusters.values()) if (host.isAwake) host.lose('by a deployment');
    this.gateway.lose('by a deployment');
    this.#loseLinks();
  }

  /** Objects that wait for nothing sleep; their memory is gone, their sockets stay. */
  hibernate(): void {
    for (const host of [...[...this.clusters.values()].map((record) => record.host), this.gateway]) {
      if (!host.isBusy && host.isAwake && this.#site.faults.strikes('object-hibernates')) host.lose(null);
    }
  }

  /** The platform would only log what such a call throws. */
  #minded(work: Promise<void>): void {
    work.catch((error: unknown) => this.#site.violate('broke', `gateway: ${String(error)}`));
  }

  #loseLinks(): void {
    for (const link of this.links) link.cut(false);
    this.#prune();
  }

  #prune(): void {
    for (const link of this.links) if (!link.isOpen) this.links.delete(link);
  }

  #gatewayLogic(host: GatewayHost): GatewayLogic {
    this.#prune();
    return new GatewayLogic({
      ...this.ownPorts(host),
      now: () => this.#site.timeline.now,
      guardMs: this.#waits.leaseGuardMs,
      sql: host.storage,
      alarm: host.alarm,
      sockets: { all: () => [...this.links].filter((link) => link.isEdgeOpen).map((link) => link.edge) },
      cluster: (_scope, id) => ({
        report: (...letter) =>
          this.#cluster(id).call(host.asCaller('reported'), 'report', (logic) => logic.report(...letter)),
        gatewayConnected: (connected, ahead) =>
          this.#cluster(id).call(host.asCaller('told'), 'gatewayConnected', (logic) =>
            logic.gatewayConnected(connected, ahead),
          ),
      }),
      sign: async (text) => standInSign(COMMAND_KEY, text),
      releaseKey: this.releaseKey,
      commandKey: async () => COMMAND_KEY,
      verify: async (key, text, signature) => standInVerify(key, text, signature),
      keyFingerprint: async (key) => createHash('sha256').update(key).digest('hex'),
      randomBytes: (count) => this.#random.bytes(count),
      after: (ms, call) => host.hear(ms, 'timer', call),
      background: (work) =>
        void work.catch((error: unknown) => this.#site.violate('edge', `gateway: ${String(error)}`)),
      log: (record) => this.#log('gateway', record),
    });
  }

  #cluster(id: ClusterId): ClusterHost {
    const record = this.clusters.get(id);
    if (record === undefined) throw new Error(`the gateway calls ${id}, which there is not`);
    return record.host;
  }

  #clusterLogic(record: ClusterRecord): ClusterLogic {
    const { host } = record;
    return new ClusterLogic({
      now: () => this.#site.timeline.now,
      waits: this.#waits,
      sql: host.storage,
      alarm: host.alarm,
      brain: {
        ...plannerBrain,
        step: (before, events, now, waits) => {
          const decided = plannerBrain.step(before, events, now, waits);
          if (decided.state !== null) record.staged = { state: decided.state, plan: decided.plan };
          return decided;
        },
      },
      gateway: () => ({
        enqueue: (commands) =>
          this.gateway.call(host.asCaller('enqueued'), 'enqueue', (logic) => logic.enqueue(commands)),
        link: (cluster, believed, queued) =>
          this.gateway.call(host.asCaller('asked'), 'link', (logic) => logic.link(cluster, believed, queued)),
        leaveQueue: (cluster) =>
          this.gateway.call(host.asCaller('left'), 'leaveQueue', (logic) => logic.leaveQueue(cluster)),
        withdraw: (ids) => this.gateway.call(host.asCaller('withdrawn'), 'withdraw', (logic) => logic.withdraw(ids)),
        revokeRelayOf: (claim) =>
          this.gateway.call(host.asCaller('revoked'), 'revokeRelayOf', (logic) => logic.revokeRelayOf(claim)),
      }),
      project: (_scope, row) => projectRow(this.#site, this.catalogue, host, row),
      erase: async () => host.storage.eraseAll(),
      background: (work) =>
        void work.catch((error: unknown) => this.#site.violate('edge', `${record.id}: ${String(error)}`)),
      log: (said) => this.#log(record.id, said),
    });
  }

  #log(where: string, record: Record<string, unknown>): void {
    this.onLog(where, record);
    this.#site.trace.say(where, JSON.stringify(record));
  }
}

/** A caller that never goes away. */
export const NOBODY = (site: Site) => ({
  name: 'api',
  hear: (delayMs: number, work: () => void) => site.timeline.after(delayMs, work),
  out: (effect: () => void) => effect(),
});

function answered<T>(got: { readonly value: T } | null): T {
  if (got === null) throw new Error('the gateway did not answer at once');
  return got.value;
}
