// What MAAS holds in a test's world, and what fate each machine has.

import { z } from 'zod';
import type { Claim } from '../../shared/claim.ts';
import type { MachineFacts, MachineStatus } from '../../shared/machine.ts';
import type { ClusterFact } from '../../shared/observation.ts';
import { aMachine, anInventory } from '../support/builders.ts';

export const FATES = z.enum([
  'fails-deploying',
  'never-boots',
  'never-enrols',
  'fails-bootstrap',
  'never-ready',
  'relay-never-pairs',
  'fails-releasing',
  'never-releases',
  'facts-differ',
  'allocate-answer-lost',
  'allocate-lost-and-late',
]);
export type Fate = z.infer<typeof FATES>;

export class WorldMaas {
  readonly machines = new Map<string, MachineFacts>();
  readonly fates = new Map<string, Fate>();
  /** Addresses in use, by name. */
  readonly addresses = new Map<string, string>();
  releasesRefused = new Map<string, number>();

  constructor(machines: readonly MachineFacts[]) {
    for (const machine of machines) this.machines.set(machine.systemId, machine);
  }

  inventory() {
    return anInventory([...this.machines.values()]);
  }

  get(systemId: string): MachineFacts {
    return this.machines.get(systemId) ?? aMachine(systemId, { status: 'missing' });
  }

  set(systemId: string, change: Partial<MachineFacts>): void {
    this.machines.set(systemId, { ...this.get(systemId), ...change });
  }

  setStatus(systemId: string, status: MachineStatus): void {
    const free = status === 'ready' || status === 'new';
    this.set(systemId, free ? { status, owner: null, claim: null, addresses: [] } : { status });
  }

  take(systemId: string, claim: Claim): MachineFacts | null {
    if (this.get(systemId).status !== 'ready' || this.get(systemId).owner !== null) return null;
    this.set(systemId, { status: 'allocated', owner: 'slipway', claim });
    return this.get(systemId);
  }

  underClaim(claim: string): MachineFacts[] {
    return [...this.machines.values()].filter((machine) => machine.claim === claim);
  }

  fact(claim: Claim, systemId: MachineFacts['systemId']): ClusterFact {
    const facts = this.get(systemId);
    return { kind: 'machine', claim, systemId, ours: facts.claim === claim, facts };
  }

  /** Machines somebody holds. */
  held(): string[] {
    return [...this.machines.values()].filter(({ owner }) => owner !== null).map(({ systemId }) => systemId);
  }
}
