// The rows of D1 that a gateway with machines of its own needs: itself, its account, and clusters that are reserved and not made
// yet. The rules are those of functions/objects/gateway-catalogue.ts and functions/store; each query may fail, before or after it
// is done, and whoever waits for it may be gone by then.
import type { GatewayCatalogue } from '../../functions/objects/gateway-catalogue.ts';
import type { StoredCreation } from '../../functions/store/clusters.ts';
import type { AccountAccess } from '../../shared/command.ts';
import type { ClusterId } from '../../shared/ids.ts';
import { apiFailure } from '../../shared/problem.ts';
import { err, ok } from '../../shared/result.ts';
import { type Edge, type GatewayHost, NOBODY } from './edge.ts';
import type { Caller } from './object-host.ts';
import type { Site } from './site.ts';
import { GATEWAY_ID, SIMULATED_PROFILE } from './world.ts';

export class SiteCatalogue {
  readonly #site: Site;
  readonly #edge: Edge;
  account: AccountAccess | null = null;
  /** Null: nobody has asked for its deletion. */
  deletingAt: number | null = null;
  /** Hidden: its object has to be told yet. */
  isHidden = false;
  isGone = false;
  /** Null once the object has it. */
  readonly #creations = new Map<ClusterId, StoredCreation | null>();

  constructor(site: Site, edge: Edge) {
    this.#site = site;
    this.#edge = edge;
  }

  /** For one instance of the gateway's object. */
  portFor(host: GatewayHost): GatewayCatalogue {
    const query = <T>(work: () => T): Promise<T> => this.query(host.asCaller('catalogued'), work);
    const finish = async (id: ClusterId): Promise<boolean> => {
      const kept = await query(() => this.#creations.get(id));
      if (kept == null) return false;
      await this.#edge.own(id).host.call(host.asCaller('made'), 'create', (logic) => logic.create(kept));
      await query(() => void this.#creations.set(id, null));
      return true;
    };
    return {
      putAccount: (_gateway, { access }) =>
        query(() => {
          if (this.account !== null && JSON.stringify(this.account) !== JSON.stringify(access))
            this.#site.violate('I2', 'an installer that says the same again has made another account');
          this.account = access;
          return ok(null);
        }),
      makeCluster: async (creation) => {
        const { clusterId: id, account } = creation;
        if ((await query(() => this.#creations.get(id))) === undefined) {
          const known = await query(() => this.account);
          if (known?.accountId !== account.accountId) return err(apiFailure('ACCOUNT_NOT_FOUND'));
          await query(() => this.#abandonAllBut(id));
          if (!(await query(() => this.#reserve({ ...creation, account: known }))))
            return err(apiFailure('ACCOUNT_NOT_FOUND'));
        }
        await finish(id);
        return ok(null);
      },
      finishCluster: (_scope, id) => finish(id),
      beginRemoval: () => query(() => this.beginRemoval()),
      endRemoval: () => query(() => this.endRemoval()),
    };
  }

  /** One query, at the edge and back. */
  query<T>(caller: Caller, work: () => T): Promise<T> {
    const { faults, network, timeline } = this.#site;
    return new Promise((resolve, reject) => {
      const fails = faults.strikes('catalogue-error');
      const isDone = !fails || network.chance(0.5);
      const delayMs = faults.strikes('catalogue-late') ? network.between(1_000, 14_000) : network.between(2, 15);
      caller.out(() => {
        let done: { readonly value: T } | null = null;
        timeline.after(delayMs - 1, () => {
          if (isDone) done = { value: work() };
        });
        caller.hear(delayMs, () => {
          if (fails || done === null) reject(new Error('D1_ERROR (simulated)'));
          else resolve(done.value);
        });
      });
    });
  }

  /** False while a cluster stands on the gateway, its own machines included; and once it is hidden. */
  beginRemoval(): boolean {
    if (this.isHidden || this.#clusters().length > 0) return false;
    this.isHidden = true;
    this.account = null;
    return true;
  }

  endRemoval(): void {
    if (this.isHidden) this.isGone = true;
  }

  /** From here on nothing new stands on it. False while a user's cluster does. */
  beginDeletion(): boolean {
    if (this.isHidden || this.#clusters().some(({ id }) => !this.#creations.has(id))) return false;
    this.deletingAt ??= this.#site.timeline.now;
    return true;
  }

  /** What functions/sweep.ts does for gateways. */
  sweep(): void {
    const { gateway } = this.#edge;
    const nobody = NOBODY(this.#site);
    for (const [id, creation] of this.#creations) {
      if (creation === null) continue;
      const made = this.#edge.own(id).host.call(nobody, 'create', (logic) => logic.create(creation));
      made.then(
        () => void this.#creations.set(id, null),
        () => undefined,
      );
    }
    if (this.isHidden && !this.isGone) {
      const removed = gateway.call(nobody, 'remove', (logic) => logic.remove());
      removed.then(
        () => this.endRemoval(),
        () => undefined,
      );
    } else if (this.deletingAt !== null && !this.isHidden) {
      gateway.call(nobody, 'requestDeletion', (logic) => logic.requestDeletion('sweep')).catch(() => undefined);
    }
  }

  /** Clusters that are not deleted, by their rows. */
  #clusters() {
    return [...this.#edge.catalogue.values()].filter(({ phase }) => phase !== 'deleted');
  }

  #abandonAllBut(id: ClusterId): void {
    for (const row of this.#clusters())
      if (this.#creations.has(row.id) && row.id !== id)
        this.#edge.catalogue.set(row.id, {
          ...row,
          phase: 'deleted',
          wakeAt: null,
          updatedAt: this.#site.timeline.now,
        });
  }

  #reserve(creation: StoredCreation): boolean {
    if (this.deletingAt !== null || this.isHidden) return false;
    const { clusterId: id, spec, account } = creation;
    const now = this.#site.timeline.now;
    const { name, description, tags } = spec;
    const machines = { machinesReady: 0, machinesWanted: spec.pools.reduce((sum, { size }) => sum + size, 0) };
    const moments = { createdAt: now, provisionedAt: null, updatedAt: 0, wakeAt: now };
    const whose = { gatewayId: GATEWAY_ID, accountId: account.accountId };
    this.#creations.set(id, { ...creation, profile: SIMULATED_PROFILE });
    this.#edge.catalogue.set(id, { id, name, description, tags, phase: 'pending', ...whose, ...machines, ...moments });
    return true;
  }
}
