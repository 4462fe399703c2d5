// The relays of a gateway in a test's world: one on a host outside, which installs, and one on each of its machines. The
// commands go through whichever has the key and is connected, so without any nothing is carried out and nothing is seen.
import type { BootstrapDocument } from '../../shared/bootstrap.ts';
import type { Claim } from '../../shared/claim.ts';
import { RelayNodeId } from '../../shared/ids.ts';
import type { RelayOfMachine } from '../../shared/installation.ts';
import type { World } from './world.ts';

/** From the document fetched to the key had. */
const PAIR_MS = 3_000;

export class WorldGateway {
  readonly #world: World;
  readonly #relays = new Map<string, RelayOfMachine>();
  /** Claims in the order their relays were shut out. */
  readonly revoked: Claim[] = [];
  carried = false;

  constructor(world: World) {
    this.#world = world;
  }

  /** The machines of the world's cluster carry the gateway from here on; its installer is connected. */
  begin(): void {
    this.carried = true;
    this.installer(true);
  }

  /** The relay on a host outside comes or goes. */
  installer(connected: boolean): void {
    this.#relays.set('outside', relay('outside', null, connected));
    this.#tell();
  }

  leave(): void {
    this.#relays.delete('outside');
    this.#tell();
  }

  /** A relay of a machine comes, goes away, or is shut out by a person. */
  set(claim: Claim, status: 'here' | 'away' | 'missing'): void {
    if (status === 'missing') this.#relays.delete(claim);
    else this.#relays.set(claim, relay(claim, claim, status === 'here'));
    this.#tell();
  }

  of(claim: Claim): RelayOfMachine | null {
    return this.#relays.get(claim) ?? null;
  }

  get hasLeader(): boolean {
    return !this.carried || [...this.#relays.values()].some(({ state, connected }) => state === 'active' && connected);
  }

  fetched(claim: Claim, systemId: string, document: BootstrapDocument): void {
    if (!document.steps.some(({ name }) => name === 'install-relay')) return;
    if (this.#world.maas.fates.get(systemId) === 'relay-never-pairs') return;
    this.#world.later(PAIR_MS, () => {
      const on = this.#world.maas.get(systemId).claim === claim && !this.revoked.includes(claim);
      if (on) this.set(claim, 'here');
    });
  }

  revoke(claim: Claim): void {
    this.revoked.push(claim);
    if (this.#relays.delete(claim)) this.#world.later(0, () => this.#tell());
  }

  poweredOff(claim: Claim): void {
    if (this.#relays.has(claim)) this.set(claim, 'away');
  }

  #tell(): void {
    const { now } = this.#world;
    this.#world.give({ kind: 'relays-changed', at: now, relays: [...this.#relays.values()], notice: null });
    const { relay: line } = this.#world;
    if (line.connected === this.hasLeader) return;
    this.#world.give({ kind: 'gateway-connected', at: now, connected: this.hasLeader });
    if (!this.hasLeader) line.connected = false;
    else line.reconnect();
    // The next leader looks at everything anew.
    this.#world.forgetTold();
    line.lookAgain();
  }
}

function relay(name: string, claim: Claim | null, connected: boolean): RelayOfMachine {
  const letters = name.replace(/[^0-9a-z]/g, '').slice(-20);
  return { claim, nodeId: RelayNodeId.parse(`nod_${letters}`), state: 'active', connected };
}
