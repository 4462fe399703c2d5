// Looks over the relay's shoulder: what it changes at MAAS, under which lease and for which claim (I4, I5), what it says about a
// command (I6–I8), and where secrets appear (I14).
import type { ClusterState } from '../../functions/plan/cluster-state.ts';
import { JOURNAL_FILE } from '../../relay/journal.ts';
import { decodeJournal } from '../../relay/journal-record.ts';
import type { LogFields } from '../../relay/log.ts';
import { type CommandId, isMutation } from '../../shared/command.ts';
import { ClusterId } from '../../shared/ids.ts';
import { LEASE_MS } from '../../shared/limits.ts';
import { EdgeFrame, RelayFrame } from '../../shared/tunnel-frame.ts';
import { lastOf } from '../lab/maas/fields.ts';
import type { ClusterRecord } from './edge.ts';
import { claimOfMachine } from './invariants.ts';
import type { MaasCall } from './maas-wire.ts';
import type { RelayNode } from './relay-node.ts';
import type { RelayProcess } from './relay-process.ts';
import { CANARY } from './stand-in-crypto.ts';
import { GATEWAY_ID, MAAS_USER, type World } from './world.ts';

type Intent = { readonly commandId: string; readonly epoch: number; readonly at: number };
const OPERATIONS: Readonly<Record<string, string>> = {
  'machines.allocate': 'allocate',
  'machine.deploy': 'deploy',
  'machine.release': 'release',
  'machine.set_workload_annotations': 'annotate',
};

export class MaasAudit {
  readonly #world: World;
  /** Of each process: what it may do now, by `<what> <system id>`. */
  readonly #intents = new WeakMap<RelayProcess, Map<string, Intent>>();
  readonly #epochs = new WeakMap<RelayProcess, number>();
  /** The newest epoch that changed a subject. */
  readonly #subjects = new Map<string, number>();
  /** What each node's disk holds as settled, and the highest generations and join counters it answered for. */
  readonly #settled = new Map<string, Map<CommandId, string>>();
  readonly #generations = new Map<string, Map<ClusterId, number>>();
  readonly #joins = new Map<string, number>();
  /** The newest epoch that the edge has granted, and when the edge last forgot how long a lease runs. */
  #granted = 0;
  #forgotAt = Number.NEGATIVE_INFINITY;

  constructor(world: World) {
    this.#world = world;
    world.watchMaas({ before: (call) => this.#before(call), after: () => {} });
    world.onRelayLog = (node, process, event, fields) => this.#onLog(node, process, event, fields);
    world.onJournal = (node, generationOf) => {
      this.#i6NothingFalls(node, generationOf);
      this.#outlivedItsWriter(node);
    };
    world.edge.onFrame = (process, direction, text) => this.#onFrame(process, direction, text);
    world.edge.onLog = (where, record) => this.#onEdgeLog(where, record);
    const { gateway } = world.edge;
    const lost = gateway.onLost;
    gateway.onLost = () => {
      this.#forgotAt = world.timeline.now;
      lost();
    };
  }

  nodeOpened(node: RelayNode): void {
    this.#settled.set(node.name, new Map());
    this.#generations.set(node.name, new Map());
    node.disk.onAppended.push((name, bytes) => {
      if (name === JOURNAL_FILE) this.#written(node, bytes);
    });
  }

  /** What a process finds in the journal is written, also when its writer was lost before it heard so: whole records of a torn batch. */
  #outlivedItsWriter(node: RelayNode): void {
    this.#written(node, node.disk.files.get(JOURNAL_FILE) ?? new Uint8Array());
  }

  #written(node: RelayNode, bytes: Uint8Array): void {
    const settled = this.#settled.get(node.name);
    const generations = this.#generations.get(node.name);
    if (settled === undefined || generations === undefined) return;
    const rose = (clusterId: ClusterId, generation: number): void => {
      generations.set(clusterId, Math.max(generation, generations.get(clusterId) ?? -1));
    };
    for (const record of decodeJournal(bytes).records) {
      if (record.kind === 'settled') this.#settledOnce(node, settled, record.commandId, JSON.stringify(record.outcome));
      if (record.kind === 'generation') rose(record.clusterId, record.generation);
      if (record.kind === 'accepted' && record.command.clusterId !== null)
        rose(record.command.clusterId, record.command.generation);
    }
  }

  /** I7: what is settled once stays so. */
  #settledOnce(node: RelayNode, settled: Map<CommandId, string>, commandId: CommandId, outcome: string): void {
    const before = settled.get(commandId);
    if (before !== undefined && before !== outcome && !node.wasDamaged)
      this.#world.site.violate('I7', `${node.name} settles ${commandId} a second time, otherwise`);
    settled.set(commandId, outcome);
  }

  /** Each commit of a cluster's object. */
  committed(record: ClusterRecord, state: ClusterState): void {
    // I14 at rest: the edge keeps ciphertext only.
    if (record.commits % 8 === 0 && JSON.stringify(state).includes(CANARY))
      this.#world.site.violate('I14', `${record.id} keeps a secret in the clear`);
  }

  #onLog(node: RelayNode, process: RelayProcess, event: string, fields: LogFields): void {
    if (event === 'lease-granted') this.#epochs.set(process, Number(fields.epoch));
    if (event === 'tunnel-refused-frame')
      this.#world.site.violate('T9', `${node.name} can't read what the edge says: ${String(fields.reason)}`);
    if (event === 'command-bug' || event === 'tunnel-bug')
      this.#world.site.violate('bug', `${node.name}: ${String(fields.stack ?? fields.reason)}`);
    if (event !== 'change') return;
    const intents = this.#intents.get(process) ?? new Map<string, Intent>();
    this.#intents.set(process, intents);
    const epoch = this.#epochs.get(process) ?? 0;
    this.#i5OneHolder(process, epoch, String(fields.intent));
    this.#i6NothingLower(node, String(fields.commandId));
    intents.set(String(fields.intent), { commandId: String(fields.commandId), epoch, at: this.#world.timeline.now });
  }

  /** A change reaches MAAS, whoever sent it and however long ago. */
  #before(call: MaasCall): void {
    const what = OPERATIONS[call.operation];
    if (what === undefined) return;
    const systemId = call.systemId ?? lastOf(call.fields, 'system_id') ?? '';
    const intent = this.#intents.get(call.process)?.get(`${what} ${systemId}`);
    if (intent === undefined)
      return this.#world.site.violate('I4', `${call.process.name} does ${what} ${systemId} unasked`);
    if (lastOf(call.fields, 'force') !== undefined) this.#world.site.violate('I4', `a forced ${what} of ${systemId}`);
    const [cluster = '', subject = ''] = intent.commandId.split('/');
    this.#i5EpochsInOrder(`${cluster}/${subject}`, intent, call);
    const dot = subject.lastIndexOf('.');
    const claim = `slipway/${GATEWAY_ID}/${cluster}/${subject.slice(0, dot)}/${subject.slice(dot + 1)}`;
    // Ruling 13.2 a: a person may have given the machine back a moment ago; then the deploy takes it under its own claim.
    const takesAnew = what === 'deploy' && lastOf(call.fields, 'agent_name') === claim;
    if (what !== 'allocate') this.#i4OnlyOwnMachines(what, systemId, claim, takesAnew);
    if (what === 'release') this.#i12QuorumIsKept(cluster, systemId);
  }

  /** MAAS can't refuse it for us: what would change a machine must be of the very claim. */
  #i4OnlyOwnMachines(what: string, systemId: string, claim: string, takesAnew: boolean): void {
    const machine = this.#world.region.machines.get(systemId);
    if (machine === undefined) return;
    // Somebody else's machine: MAAS refuses. A Ready one: releasing it does nothing.
    if (machine.owner !== null && machine.owner !== MAAS_USER) return;
    if (machine.owner === null && (what !== 'deploy' || takesAnew)) return;
    if (machine.owner === null && machine.status !== 'Ready') return;
    const standing = claimOfMachine(machine);
    const going = machine.status === 'Releasing' || machine.status === 'Disk erasing';
    if (standing === claim || (standing === null && going)) return;
    this.#world.site.violate(
      'I4',
      `${what} of ${systemId} for ${claim}, which stands under ${String(standing)} (${machine.status})`,
    );
  }

  /** Giving back a member that lives must not cost a living cluster its quorum. One that has not begun has nothing to lose (CP2). */
  #i12QuorumIsKept(cluster: string, systemId: string): void {
    const found = this.#world.kubernetes.clusterOf(systemId);
    const registration = found?.running.get(systemId);
    const id = ClusterId.safeParse(cluster);
    const state = id.success ? this.#world.record(id.data)?.state : null;
    if (found == null || registration?.role !== 'control-plane' || state?.intent.kind !== 'present') return;
    if (state.api?.firstReadyAt == null) return;
    const members = found.etcd.members();
    const up = members.filter((member) => member.up);
    const left = up.filter(({ name }) => name !== registration.name).length;
    const quorum = Math.floor(members.length / 2) + 1;
    if (up.length >= quorum && left < quorum && members.some(({ name }) => name === registration.name))
      this.#world.site.violate(
        'I12',
        `${systemId} is given back and its cluster loses quorum (${left} of ${members.length})`,
      );
  }

  #i5EpochsInOrder(subject: string, intent: Intent, call: MaasCall): void {
    const newest = this.#subjects.get(subject) ?? 0;
    if (intent.epoch < newest)
      this.#world.site.violate(
        'I5',
        `${call.operation} of ${subject} under epoch ${intent.epoch} comes after one of ${newest}`,
      );
    this.#subjects.set(subject, Math.max(newest, intent.epoch));
  }

  /** L2: who is about to change something has the lease, and nobody was given a newer one. L3 covers an edge that was lost. */
  #i5OneHolder(process: RelayProcess, epoch: number, intent: string): void {
    if (epoch >= this.#granted || this.#world.timeline.now < this.#forgotAt + LEASE_MS) return;
    this.#world.site.violate(
      'I5',
      `${process.name} does ${intent} under epoch ${epoch}, and ${this.#granted} is granted`,
    );
  }

  /** G2: who has accepted a generation changes nothing more for a lower one. */
  #i6NothingLower(node: RelayNode, commandId: string): void {
    const [owner, , , generation] = commandId.split('/');
    const cluster = ClusterId.safeParse(owner);
    const highest = cluster.success ? this.#generations.get(node.name)?.get(cluster.data) : undefined;
    if (highest !== undefined && Number(generation) < highest)
      this.#world.site.violate('I6', `${node.name} acts on ${commandId} and has accepted generation ${highest}`);
  }

  #i6NothingFalls(node: RelayNode, generationOf: (clusterId: ClusterId) => number): void {
    if (node.wasDamaged) return;
    for (const [clusterId, highest] of this.#generations.get(node.name) ?? []) {
      const kept = generationOf(clusterId);
      if (kept < highest) this.#world.site.violate('I6', `${node.name} forgot generation ${highest} of ${clusterId}`);
    }
  }

  #onFrame(process: RelayProcess, direction: 'up' | 'down', text: string): void {
    if (text.includes(CANARY)) this.#world.site.violate('I14', `a secret in the tunnel of ${process.name}`);
    if (direction === 'up' && text.includes('"report"')) this.#i7SameAnswer(process, text);
    if (direction === 'up' && text.includes('"hello"')) this.#joinRises(process, text);
    if (direction === 'down' && text.includes('"report-ack"')) this.#i8AckedIsStored(text);
    if (direction === 'down' && text.includes('"lease"')) this.#leaseGranted(text);
  }

  /** What the journal holds is what is told, and a change is told only when the journal holds it (C4). */
  #i7SameAnswer(process: RelayProcess, text: string): void {
    const frame = RelayFrame.safeParse(JSON.parse(text));
    if (!frame.success || frame.data.type !== 'report') return;
    const { commandId, outcome } = frame.data;
    const node = this.#world.nodes.find(({ name }) => name === process.name);
    if (node === undefined || node.wasDamaged) return;
    const kept = this.#settled.get(process.name)?.get(commandId);
    if (kept !== undefined && kept !== JSON.stringify(outcome))
      this.#world.site.violate('I7', `${process.name} tells of ${commandId} otherwise than its journal`);
    if (kept === undefined && outcome.ok && isMutation(outcome.value.verb))
      this.#world.site.violate('I8', `${process.name} tells of ${commandId} and has not written it down`);
  }

  #joinRises(process: RelayProcess, text: string): void {
    const frame = RelayFrame.safeParse(JSON.parse(text));
    if (!frame.success || frame.data.type !== 'hello') return;
    const last = this.#joins.get(process.name) ?? -1;
    const isDamaged = this.#world.nodes.some(({ name, wasDamaged }) => name === process.name && wasDamaged);
    if (frame.data.joinCounter <= last && !isDamaged)
      this.#world.site.violate('I6', `${process.name} uses join counter ${frame.data.joinCounter} again`);
    this.#joins.set(process.name, Math.max(last, frame.data.joinCounter));
  }

  #leaseGranted(text: string): void {
    const frame = EdgeFrame.safeParse(JSON.parse(text));
    if (frame.success && frame.data.type === 'lease') this.#granted = Math.max(this.#granted, frame.data.epoch);
  }

  /** The cluster has committed what the gateway acknowledges. */
  #i8AckedIsStored(text: string): void {
    const frame = EdgeFrame.safeParse(JSON.parse(text));
    if (!frame.success || frame.data.type !== 'report-ack') return;
    for (const commandId of frame.data.commandIds) {
      const owner = ClusterId.safeParse(commandId.split('/')[0]);
      const state = owner.success ? this.#world.record(owner.data)?.state : null;
      const waits = Object.values(state?.pending ?? {}).some((pending) => pending.commandId === commandId);
      if (waits) this.#world.site.violate('I8', `${commandId} is acknowledged and not stored`);
    }
  }

  #onEdgeLog(where: string, record: Record<string, unknown>): void {
    if (record.event === 'invariant-broken')
      this.#world.site.violate('check-state', `${where}: ${String(record.broken)}`);
    if (record.event === 'tunnel-bad-frame')
      this.#world.site.violate('T9', `the edge can't read what a relay says: ${String(record.reason)}`);
    if (record.event === 'command-changed') this.#world.site.violate('C2', `${where}: ${String(record.commandId)}`);
    if (record.event === 'tunnel-clone-detected' && !this.#world.nodes.some(({ wasDamaged }) => wasDamaged))
      this.#world.site.violate('I6', `the gateway takes a relay for a clone: ${JSON.stringify(record)}`);
  }
}
