// What relays report, on its way to the clusters: in order, several frames at once, acknowledged only after the cluster has
// stored it (C3, C9). What fails is not acknowledged, and the relay repeats it; outcomes are told again from here too, since the
// process that told one may be gone, and another relay would stand on a command that is over.
import type { CommandId, CommandOutcome } from '../../shared/command.ts';
import { ClusterId, type EpochMs } from '../../shared/ids.ts';
import type { Observation } from '../../shared/observation.ts';
import { encodeFrame, PROTOCOL_VERSION, type RelayFrame } from '../../shared/tunnel-frame.ts';
import { type LogRecord, messageOf } from '../log.ts';
import type { Asks } from './asks.ts';
import type { CommandQueue } from './command-queue.ts';
import type { GatewayStorage } from './gateway-storage.ts';
import { letterNumbers } from './letter-numbers.ts';
import type { ClusterRpc } from './rpc.ts';
import { SingleFlight } from './single-flight.ts';
import { incarnationOf, readySessions, type Sockets, type TunnelSocket } from './tunnel-session.ts';

/** Frames that wait. Beyond, a frame is dropped: unacknowledged, it comes again. */
const FRAMES_MAX = 500;
/** Frames told at once, by their length as text (RPC takes 32 MiB). */
const BATCH_CHARACTERS_MAX = 6 * 1_048_576;
/** Calls to clusters at once (Cloudflare allows six connections). */
const CALLS_MAX = 5;
/** A cluster that does not answer is asked again after 5, 10, 20 and 40 s. Facts are not: a newer one may be there by then. */
const AGAIN_MS = 5_000;
const TRIES_MAX = 5;

export type InboxFrame = Extract<RelayFrame, { type: 'report' | 'observations' }>;
type Waiting = {
  readonly socket: TunnelSocket;
  readonly frame: InboxFrame;
  readonly characters: number;
  readonly tries: number;
};
type Settled = { readonly commandId: CommandId; readonly outcome: CommandOutcome };
type Letter = { readonly settled: Settled[]; readonly observed: Observation[] };

export type InboxPorts = {
  now(): EpochMs;
  readonly sockets: Sockets;
  readonly queue: CommandQueue;
  readonly asks: Asks;
  readonly storage: Pick<GatewayStorage, 'reserveLetters'>;
  report(cluster: ClusterId, ...letter: Parameters<ClusterRpc['report']>): Promise<void>;
  /** Calls back once after so many milliseconds. */
  after(ms: number, call: () => void): () => void;
  log(record: LogRecord): void;
};

export class ReportInbox {
  readonly #ports: InboxPorts;
  readonly #waiting: Waiting[] = [];
  readonly #flight: SingleFlight;
  readonly #numbers: ReturnType<typeof letterNumbers>;

  constructor(ports: InboxPorts) {
    this.#ports = ports;
    this.#numbers = letterNumbers((count) => ports.storage.reserveLetters(count));
    this.#flight = new SingleFlight(async () => {
      while (this.#waiting.length > 0) await this.#tell(this.#nextBatch());
    });
  }

  /** Resolves when everything that waits has been told or given up. Never rejects. */
  take(socket: TunnelSocket, frame: InboxFrame, characters: number): Promise<void> {
    if (this.#waiting.length < FRAMES_MAX) this.#waiting.push({ socket, frame, characters, tries: 1 });
    else this.#ports.log({ event: 'inbox-full' });
    return this.#flight.run();
  }

  #nextBatch(): Waiting[] {
    let characters = 0;
    const fits = this.#waiting.findIndex((one, index) => {
      characters += one.characters;
      return index > 0 && characters > BATCH_CHARACTERS_MAX;
    });
    return this.#waiting.splice(0, fits === -1 ? this.#waiting.length : fits);
  }

  async #tell(batch: readonly Waiting[]): Promise<void> {
    const letters = this.#sort(batch);
    const failed = new Set<ClusterId>();
    const addresses = [...letters.keys()];
    for (let at = 0; at < addresses.length; at += CALLS_MAX) {
      await Promise.all(
        addresses.slice(at, at + CALLS_MAX).map(async (cluster) => {
          if (!(await this.#hand(cluster, letters.get(cluster)))) failed.add(cluster);
        }),
      );
    }
    for (const one of batch) if (!this.#acknowledge(one, failed)) this.#tellAgain(one);
  }

  /** By cluster. What is for an asker is told on the spot; what is nobody's any more, or no news (L7), is only acknowledged. */
  #sort(batch: readonly Waiting[]): Map<ClusterId, Letter> {
    const letters = new Map<ClusterId, Letter>();
    const letterTo = (cluster: ClusterId): Letter => {
      const letter = letters.get(cluster) ?? { settled: [], observed: [] };
      letters.set(cluster, letter);
      return letter;
    };
    for (const { socket, frame } of batch) {
      if (frame.type === 'report') {
        const owner = this.#ownerOf(frame.commandId);
        const { asks } = this.#ports;
        if (asks.settle(frame.commandId, frame.outcome, sessionIdOf(socket)) || owner === null) continue;
        letterTo(owner).settled.push({ commandId: frame.commandId, outcome: frame.outcome });
        continue;
      }
      const by = incarnationAt(socket);
      for (const observation of frame.observations) {
        const { clusterId } = observation;
        const { queue } = this.#ports;
        if (queue.knowsCluster(clusterId) && queue.isNews(observation, by))
          letterTo(clusterId).observed.push(observation);
      }
    }
    return letters;
  }

  async #hand(cluster: ClusterId, letter: Letter | undefined): Promise<boolean> {
    try {
      await this.#ports.report(cluster, letter?.settled ?? [], letter?.observed ?? [], this.#numbers.next());
      return true;
    } catch (error) {
      this.#ports.log({ event: 'report-not-stored', cluster, cause: messageOf(error) });
      return false;
    }
  }

  /** False when it was not stored. */
  #acknowledge({ socket, frame }: Waiting, failed: ReadonlySet<ClusterId>): boolean {
    if (frame.type === 'report') {
      const owner = this.#ownerOf(frame.commandId);
      if (owner !== null && failed.has(owner)) return false;
      this.#ports.queue.settle([frame.commandId], incarnationAt(socket), this.#ports.now());
      socket.send(encodeFrame({ v: PROTOCOL_VERSION, type: 'report-ack', commandIds: [frame.commandId] }));
      this.#tellOthers(socket, frame.commandId);
      return true;
    }
    if (frame.observations.some(({ clusterId }) => failed.has(clusterId))) return false;
    socket.send(encodeFrame({ v: PROTOCOL_VERSION, type: 'observation-ack', seq: frame.seq }));
    return true;
  }

  /** Another telling of the same may have come meanwhile: the cluster counts an outcome once. */
  #tellAgain(one: Waiting): void {
    if (one.frame.type !== 'report' || one.tries >= TRIES_MAX) return;
    this.#ports.after(AGAIN_MS * 2 ** (one.tries - 1), () => {
      if (this.#waiting.length < FRAMES_MAX) this.#waiting.push({ ...one, tries: one.tries + 1 });
      void this.#flight.run();
    });
  }

  /**
   * A relay that led before, or stands by, may hold the command still and wait for the lease to run it. What it would do is
   * done, and perhaps undone since. It reads this before any lease it is granted later: the socket keeps the order.
   */
  #tellOthers(teller: TunnelSocket, commandId: CommandId): void {
    const { sockets } = this.#ports;
    const session = sessionIdOf(teller);
    for (const { socket, state } of readySessions(sockets)) {
      if (state.sessionId !== session)
        socket.send(encodeFrame({ v: PROTOCOL_VERSION, type: 'withdraw', commandIds: [commandId] }));
    }
  }

  /** The cluster a command is of, if this gateway ever had commands of it: a relay speaks for no other. */
  #ownerOf(id: CommandId): ClusterId | null {
    const owner = ClusterId.safeParse(id.split('/')[0]);
    return owner.success && this.#ports.queue.knowsCluster(owner.data) ? owner.data : null;
  }
}

function sessionIdOf(socket: TunnelSocket): string | null {
  const state = socket.state();
  return state.phase === 'ready' ? state.sessionId : null;
}

function incarnationAt(socket: TunnelSocket): string | null {
  const state = socket.state();
  return state.phase === 'ready' ? incarnationOf(state) : null;
}
