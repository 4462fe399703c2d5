// Machines that boot and the Kubernetes they make, in a test's world: nodes are Ready once there is a pod network; etcd has a
// member for each control-plane machine; without quorum the API does not answer.
import type { Claim } from '../../shared/claim.ts';
import type { CommandBody, CommandOutcome } from '../../shared/command.ts';
import type { SystemId } from '../../shared/ids.ts';
import type { World } from './world.ts';

type Host = { claim: Claim; systemId: SystemId; enrolled: boolean; running: boolean; node: string | null };
type Node = { role: 'control-plane' | 'worker'; ready: boolean; systemId: SystemId };

const STEP_MS = 10_000;

export class WorldKubernetes {
  readonly #world: World;
  readonly hosts = new Map<string, Host>();
  readonly nodes = new Map<string, Node>();
  /** Machines whose etcd is alive, by node name. */
  readonly members = new Map<string, boolean>();
  readonly applied: string[] = [];
  /** Names of init nodes: two would be two clusters. */
  readonly begun: string[] = [];
  tellsEtcd = true;
  /** What kubeadm's own record says; null until it was told. */
  version: string | null = null;
  /** What that record said when each control-plane machine joined. */
  readonly joinedAt = new Map<string, string | null>();

  constructor(world: World) {
    this.#world = world;
  }

  addressOf(systemId: string): string {
    return `10.10.0.${10 + [...this.#world.maas.machines.keys()].indexOf(systemId)}`;
  }

  get ready(): boolean {
    const alive = [...this.members.values()].filter(Boolean).length;
    return this.members.size > 0 && alive >= Math.floor(this.members.size / 2) + 1;
  }

  boot(claim: Claim, systemId: SystemId): void {
    const { maas, relay } = this.#world;
    const machine = maas.get(systemId);
    const fate = maas.fates.get(systemId);
    if (machine.claim !== claim || machine.status !== 'deploying' || fate === 'never-boots') return;
    if (fate === 'fails-deploying') {
      maas.set(systemId, { status: 'failed-deployment', errorDescription: 'curtin failed' });
      return relay.noticed(systemId);
    }
    maas.setStatus(systemId, 'deployed');
    relay.noticed(systemId);
    if (fate === 'never-enrols') return;
    this.hosts.set(claim, { claim, systemId, enrolled: true, running: true, node: null });
    this.tellEnrolled(claim);
    this.fetch(claim);
  }

  tellEnrolled(claim: Claim): void {
    const host = this.hosts.get(claim);
    if (host?.running !== true || !this.#watched(claim)) return;
    this.#world.observe({ kind: 'enrolled', claim, systemId: host.systemId, address: this.addressOf(host.systemId) });
  }

  /** The machine gets its document when both are there. */
  fetch(claim: Claim): void {
    const host = this.hosts.get(claim);
    const document = this.#world.relay.documents.get(claim);
    if (host === undefined || document === undefined || !host.running) return;
    this.#world.relay.documents.delete(claim);
    this.#world.gateway.fetched(claim, host.systemId, document.body.document);
    const value = { verb: 'ensure-bootstrap', fetchedAt: this.#world.now } as const;
    this.#world.relay.settle(document.id, { ok: true, value });
    const kind = document.body.document.steps.some(({ name }) => name === 'kubeadm-init')
      ? 'init'
      : document.body.document.files.some(({ path }) => path.endsWith('/pki/ca.key'))
        ? 'join-control-plane'
        : 'join-worker';
    this.#step(host, kind === 'init' ? 'kubeadm-init' : 'kubeadm-join', 'started');
    this.#world.later(STEP_MS, () => this.#kubeadm(host, document.body.document.nodeName, kind));
  }

  #kubeadm(host: Host, name: string, kind: 'init' | 'join-control-plane' | 'join-worker'): void {
    if (!host.running) return;
    const step = kind === 'init' ? 'kubeadm-init' : 'kubeadm-join';
    const fate = this.#world.maas.fates.get(host.systemId);
    // Who begins makes sure that nothing answers there, who joins that something does.
    if (fate === 'fails-bootstrap' || this.ready === (kind === 'init')) {
      this.#step(host, step, 'failed');
      return this.#step(host, 'bootstrap', 'failed');
    }
    if (kind === 'init') this.begun.push(name);
    if (kind !== 'join-worker') this.members.set(name, true);
    if (kind === 'join-control-plane') this.joinedAt.set(name, this.version);
    host.node = name;
    const role = kind === 'join-worker' ? 'worker' : 'control-plane';
    this.nodes.set(name, { role, ready: false, systemId: host.systemId });
    this.#step(host, step, 'succeeded');
    this.#step(host, 'bootstrap', 'succeeded');
    this.tell();
    this.#soonReady();
  }

  #soonReady(): void {
    if (!this.applied.includes('flannel')) return;
    this.#world.later(2_000, () => {
      for (const host of this.hosts.values()) {
        const node = this.nodes.get(host.node ?? '');
        const late = this.#world.maas.fates.get(host.systemId) === 'never-ready';
        if (node !== undefined && host.running && !late) node.ready = true;
      }
      this.tell();
    });
  }

  perform(body: CommandBody): CommandOutcome {
    if (!this.ready) return { ok: false, error: { code: 'KUBERNETES_UNREACHABLE', detail: 'no answer' } };
    if (body.verb === 'ensure-applied') {
      this.applied.push(body.name);
      this.#soonReady();
      return { ok: true, value: { verb: body.verb, applied: [body.name] } };
    }
    if (body.verb === 'ensure-node-removed') {
      const existed = this.nodes.delete(body.nodeName);
      return { ok: true, value: { verb: body.verb, existed } };
    }
    if (body.verb === 'ensure-kubernetes-version') {
      this.version = body.version;
      return { ok: true, value: { verb: body.verb, version: body.version } };
    }
    if (body.verb !== 'ensure-member-removed') throw new Error(body.verb);
    const existed = this.members.delete(body.memberName);
    this.tell();
    return { ok: true, value: { verb: body.verb, existed } };
  }

  /** The machine dies, or is switched off for good. */
  powerOff(systemId: string): void {
    for (const host of this.hosts.values()) {
      if (host.systemId !== systemId || !host.running) continue;
      host.running = false;
      this.#world.gateway.poweredOff(host.claim);
      const node = this.nodes.get(host.node ?? '');
      if (node !== undefined) node.ready = false;
      if (host.node !== null && this.members.has(host.node)) this.members.set(host.node, false);
      this.#world.later(1_000, () => this.tell());
    }
  }

  /** Everything a relay that watches would say about Kubernetes. */
  tell(): void {
    if (this.#world.relay.watch?.access == null) return;
    this.#world.observe({ kind: 'api-server', ready: this.ready, detail: this.ready ? '' : 'no quorum' });
    if (!this.ready) return;
    for (const [name, { role, ready, systemId }] of this.nodes) {
      const internalIp = this.addressOf(systemId);
      const more = { providerId: null, internalIp, kubeletVersion: 'v1.36.2', reason: ready ? '' : 'KubeletNotReady' };
      this.#world.observe({ kind: 'node', name, present: true, ready, role, ...more });
    }
    if (!this.tellsEtcd) return;
    const members = [...this.members].map(([name, healthy]) => ({ id: name, name, healthy, learner: false }));
    this.#world.observe({ kind: 'etcd-members', members });
  }

  #watched(claim: Claim): boolean {
    return this.#world.relay.watch?.machines.some((machine) => machine.claim === claim) === true;
  }

  #step(host: Host, step: string, outcome: 'started' | 'succeeded' | 'failed'): void {
    const { claim, systemId } = host;
    const exitCode = outcome === 'started' ? null : outcome === 'failed' ? 1 : 0;
    this.#world.observe({
      kind: 'step',
      claim,
      systemId,
      step,
      outcome,
      attempt: 1,
      exitCode,
      log: `${step} ${outcome}`,
    });
  }
}
