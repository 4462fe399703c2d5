// What still stands when all is over (I17): a relay stands on nothing that the gateway does not hold (T5, C5), and the gateway
// holds nothing that its cluster does not wait for. Whatever is forgotten on the way stands for ever: watches of the dead first.
import type { LogFields } from '../../relay/log.ts';
import { EdgeFrame } from '../../shared/tunnel-frame.ts';
import type { RelayNode } from './relay-node.ts';
import type { RelayProcess } from './relay-process.ts';
import type { World } from './world.ts';

/** What was sent or begun less long ago may be on its way. */
const MOMENT_MS = 60_000;

export class StandingAudit {
  readonly #world: World;
  /** Of each process: what it stands on, and since when. */
  readonly #standing = new WeakMap<RelayProcess, Map<string, number>>();
  readonly #servesSince = new WeakMap<RelayProcess, number>();
  readonly #withdrawnAt = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
    const { onRelayLog } = world;
    world.onRelayLog = (node, process, event, fields) => {
      onRelayLog(node, process, event, fields);
      this.#onLog(process, event, fields);
    };
    const { onFrame } = world.edge;
    world.edge.onFrame = (process, direction, text) => {
      onFrame(process, direction, text);
      if (direction === 'down' && text.includes('"withdraw"')) this.#withdrawn(text);
    };
  }

  checkQuiet(): void {
    const { gateway } = this.#world.edge;
    const held = gateway.storage.run('SELECT command_id, cluster_id FROM queue');
    gateway.storage.commit();
    const ids = new Set(held.map((row) => String(row.command_id)));
    for (const node of this.#world.nodes) this.#relayStandsOn(node, ids);
    for (const row of held) if (row.cluster_id !== null) this.#isWaitedFor(String(row.command_id));
  }

  #relayStandsOn({ name, process: only, server }: RelayNode, held: ReadonlySet<string>): void {
    const process = server ?? only;
    const { edge, site, timeline } = this.#world;
    const isNews = (at: number): boolean => at > timeline.now - MOMENT_MS;
    const since = process === null ? undefined : this.#servesSince.get(process);
    if (process === null || since === undefined || isNews(since) || edge.linksOf(name).length === 0) return;
    for (const [commandId, acceptedAt] of this.#standing.get(process) ?? []) {
      if (held.has(commandId) || isNews(acceptedAt) || isNews(this.#withdrawnAt.get(commandId) ?? 0)) continue;
      site.violate('I17', `${name} stands on ${commandId}, which the gateway does not hold`);
    }
  }

  #isWaitedFor(commandId: string): void {
    const { edge, site } = this.#world;
    const record = [...edge.clusters.values()].find(({ id }) => commandId.startsWith(`${id}/`));
    // One whose alarm the platform gave up is found by the sweep, in its time.
    if (record === undefined || site.exhausted.has(record.id)) return;
    const isPending = Object.values(record.state?.pending ?? {}).some((pending) => pending.commandId === commandId);
    if (!isPending) site.violate('I17', `the gateway holds ${commandId}, which its cluster does not wait for`);
  }

  #onLog(process: RelayProcess, event: string, fields: LogFields): void {
    const standing = this.#standing.get(process) ?? new Map<string, number>();
    this.#standing.set(process, standing);
    // Its service has ended, and what stood with it: it may serve again, when the new program fails.
    if (event === 'program-watched') standing.clear();
    if (event === 'tunnel-serving') this.#servesSince.set(process, this.#world.timeline.now);
    if (event === 'command-accepted') standing.set(String(fields.commandId), this.#world.timeline.now);
    if (event === 'command-settled' || event === 'command-stopped') standing.delete(String(fields.commandId));
  }

  #withdrawn(text: string): void {
    const frame = EdgeFrame.safeParse(JSON.parse(text));
    if (!frame.success || frame.data.type !== 'withdraw') return;
    for (const commandId of frame.data.commandIds) this.#withdrawnAt.set(commandId, this.#world.timeline.now);
  }
}
