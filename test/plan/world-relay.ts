// The relay of a test's world: each command looks, acts, and tells its outcome, as PROTOCOL.md asks.
import type {
  BodyOf,
  Command,
  CommandFailure,
  CommandId,
  CommandOutcome,
  CommandResult,
} from '../../shared/command.ts';
import type { World } from './world.ts';
import { WorldKubernetes } from './world-kubernetes.ts';

const CALL_MS = 20;
export const BOOT_MS = 60_000;
export const POWER_OFF_MS = 4_000;

export class WorldRelay {
  readonly #world: World;
  readonly kubernetes: WorldKubernetes;
  readonly #settled = new Set<string>();
  readonly #withdrawn = new Set<string>();
  readonly documents = new Map<string, { id: CommandId; body: BodyOf<'ensure-bootstrap'> }>();
  watch: BodyOf<'observe-cluster'> | null = null;
  #watchId: CommandId | null = null;
  highest = 0;
  connected = true;
  #kept: (() => void)[] = [];
  /** A test's own answer to a command; undefined lets the world answer. */
  answer: (command: Command) => CommandOutcome | undefined = () => undefined;

  constructor(world: World) {
    this.#world = world;
    this.kubernetes = new WorldKubernetes(world);
  }

  accept(command: Command): void {
    // The newest watch supersedes the older ones as soon as the gateway has it (C5).
    if (command.body.verb === 'observe-cluster') this.#watchId = command.commandId;
    const run = () => this.#world.later(CALL_MS, () => this.#run(command));
    if (this.connected) run();
    else this.#kept.push(run);
  }

  reconnect(): void {
    this.connected = true;
    const kept = this.#kept;
    this.#kept = [];
    for (const run of kept) run();
  }

  /** A relay that takes over starts with all facts. */
  lookAgain(): void {
    if (this.connected && this.watch !== null) this.#watch(this.watch);
  }

  get withdrawn(): ReadonlySet<string> {
    return this.#withdrawn;
  }

  withdraw(ids: readonly CommandId[]): void {
    for (const id of ids) this.#withdrawn.add(id);
    if (this.#watchId !== null && ids.includes(this.#watchId)) {
      this.watch = null;
      this.#watchId = null;
    }
    for (const [claim, { id }] of this.documents) if (ids.includes(id)) this.documents.delete(claim);
  }

  settle(id: CommandId, outcome: CommandOutcome): void {
    if (this.#settled.has(id) || this.#withdrawn.has(id)) return;
    this.#settled.add(id);
    this.#world.give({ kind: 'command-settled', at: this.#world.now, commandId: id, outcome });
  }

  #ok(command: Command, value: CommandResult): void {
    this.settle(command.commandId, { ok: true, value });
  }

  #fail(command: Command, error: CommandFailure): void {
    this.settle(command.commandId, { ok: false, error });
  }

  #run(command: Command): void {
    if (this.#withdrawn.has(command.commandId)) return;
    if (command.generation < this.highest) {
      return this.#fail(command, { code: 'STALE_GENERATION', detail: '', highest: this.highest });
    }
    this.highest = command.generation;
    const given = this.answer(command);
    if (given !== undefined) return this.settle(command.commandId, given);
    this.#perform(command);
  }

  #perform(command: Command): void {
    const { body } = command;
    const { maas } = this.#world;
    switch (body.verb) {
      case 'observe-inventory':
        return this.#ok(command, { verb: body.verb, inventory: maas.inventory() });
      case 'observe-cluster':
        return command.commandId === this.#watchId ? this.#watch(body) : undefined;
      case 'ensure-identity': {
        const identity = {
          v: 1,
          purpose: 'cluster-identity',
          recordId: 'clu',
          version: 1,
          encapsulatedKey: 'a',
          ciphertext: 'b',
        } as const;
        return this.#ok(command, { verb: body.verb, identity, caCertPem: 'PEM' });
      }
      case 'ensure-address': {
        const had = maas.addresses.get(body.fqdn);
        const ip = had ?? body.candidates.find((candidate) => ![...maas.addresses.values()].includes(candidate));
        if (ip === undefined) return this.#fail(command, { code: 'ADDRESS_TAKEN', detail: 'taken', refused: {} });
        maas.addresses.set(body.fqdn, ip);
        return this.#ok(command, { verb: body.verb, ip });
      }
      case 'ensure-address-released': {
        maas.addresses.delete(body.fqdn);
        return this.#ok(command, { verb: body.verb, released: [] });
      }
      case 'ensure-allocated':
        return this.#allocate(command, body);
      case 'ensure-deployed':
        return this.#deploy(command, body);
      case 'ensure-bootstrap':
        this.documents.set(body.claim, { id: command.commandId, body });
        return this.kubernetes.fetch(body.claim);
      case 'ensure-released':
        return this.#release(command, body);
      case 'ensure-member-removed':
        return this.#removeMember(command, body);
      case 'ensure-applied':
      case 'ensure-node-removed':
      case 'ensure-kubernetes-version':
        return this.settle(command.commandId, this.kubernetes.perform(body));
      case 'observe-account':
      case 'ensure-certificate':
      case 'ensure-node-key':
      case 'ensure-gateway-key':
      case 'ensure-recovery-bundle':
        throw new Error(`a cluster never asks ${body.verb}`);
    }
  }

  #watch(body: BodyOf<'observe-cluster'>): void {
    this.watch = body;
    const { maas } = this.#world;
    for (const { claim, systemId } of body.machines) {
      this.#world.observe(maas.fact(claim, systemId));
      this.kubernetes.tellEnrolled(claim);
    }
    if (body.access !== null) this.kubernetes.tell();
  }

  /** What the shared poll would notice. */
  noticed(systemId: string): void {
    const watched = this.watch?.machines.find((machine) => machine.systemId === systemId);
    if (watched !== undefined) this.#world.observe(this.#world.maas.fact(watched.claim, watched.systemId));
    const inventory = this.watch?.inventory === true && this.#world.maas.get(systemId).status === 'ready';
    if (inventory) this.#world.observe({ kind: 'inventory-changed' });
  }

  #allocate(command: Command, body: BodyOf<'ensure-allocated'>): void {
    const { maas } = this.#world;
    const had = maas.underClaim(body.claim)[0];
    if (had !== undefined) return this.#ok(command, { verb: body.verb, machine: had });
    for (const systemId of body.candidates) {
      const fate = maas.fates.get(systemId);
      const lost: CommandFailure = { code: 'MAAS_UNKNOWN_OUTCOME', detail: 'The answer was lost.' };
      if (fate === 'allocate-lost-and-late') {
        this.#world.later(3_000, () => maas.take(systemId, body.claim));
        maas.fates.delete(systemId);
        return this.#fail(command, lost);
      }
      const machine = maas.take(systemId, body.claim);
      if (machine === null) continue;
      if (fate === 'facts-differ') {
        maas.setStatus(systemId, 'ready');
        return this.#fail(command, {
          code: 'FACTS_MISMATCH',
          detail: 'has 1 of 2 CPU cores',
          systemId,
          missed: 'cores',
        });
      }
      if (fate === 'allocate-answer-lost') {
        maas.fates.delete(systemId);
        return this.#fail(command, lost);
      }
      return this.#ok(command, { verb: body.verb, machine });
    }
    this.#fail(command, { code: 'NO_CANDIDATE_LEFT', detail: 'Others took them.', refused: {} });
  }

  #deploy(command: Command, body: BodyOf<'ensure-deployed'>): void {
    const { maas } = this.#world;
    const machine = maas.get(body.systemId);
    if (machine.claim !== body.claim) return this.#fail(command, { code: 'NOT_OURS', detail: 'not under this claim' });
    if (machine.status === 'allocated') {
      maas.set(body.systemId, { status: 'deploying', addresses: [this.kubernetes.addressOf(body.systemId)] });
      this.#world.later(BOOT_MS, () => this.kubernetes.boot(body.claim, body.systemId));
    }
    this.#ok(command, { verb: body.verb, machine: maas.get(body.systemId) });
  }

  #removeMember(command: Command, body: BodyOf<'ensure-member-removed'>): void {
    const { maas } = this.#world;
    const lost = body.staying?.machines.find(({ claim, systemId }) => {
      const machine = maas.get(systemId);
      return machine.claim !== claim || machine.status !== 'deployed';
    });
    if (lost !== undefined)
      return this.#fail(command, { code: 'NO_QUORUM', detail: `${lost.systemId}, which has to stay, is lost` });
    this.settle(command.commandId, this.kubernetes.perform(body));
  }

  #release(command: Command, body: BodyOf<'ensure-released'>): void {
    const { maas } = this.#world;
    if (body.seat !== undefined && this.kubernetes.members.has(body.seat.memberName))
      return this.#fail(command, { code: 'STILL_MEMBER', detail: `${body.seat.memberName} is a member of etcd` });
    const found = maas.underClaim(body.claim).map(({ systemId }) => systemId);
    for (const systemId of found) {
      this.kubernetes.powerOff(systemId);
      const refused = maas.releasesRefused.get(systemId) ?? 0;
      const fate = maas.fates.get(systemId);
      const stuck = fate === 'never-releases' || (fate === 'fails-releasing' && refused < 2);
      if (maas.get(systemId).status !== 'releasing') maas.setStatus(systemId, 'releasing');
      maas.releasesRefused.set(systemId, refused + 1);
      this.#world.later(POWER_OFF_MS, () => {
        if (maas.get(systemId).status !== 'releasing') return;
        maas.setStatus(systemId, stuck ? 'releasing-failed' : 'ready');
        this.noticed(systemId);
      });
    }
    const machines = found.map((systemId) => ({ systemId, status: maas.get(systemId).status }));
    this.#ok(command, { verb: body.verb, machines });
  }
}
