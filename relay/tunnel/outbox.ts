// What is to be told to the edge: the outcome of each command, and the newest fact of each subject. Kept until the edge says
// that it has stored it (C9), sent again with each session and when no word comes. Memory only: after a restart the edge
// delivers again what it holds as unsettled, and the journal answers.
//
// An outcome that the edge stores late, after a newer fact, puts its own older word in the fact's place. So a fact that came after
// an outcome is kept until that outcome is stored too, and told once more then: it is the newest of its subject, and may be repeated.
// So it is with an older fact that was sent and never acknowledged: what the edge gave up waiting for may be stored after all.
import type { CommandId, CommandOutcome } from '../../shared/command.ts';
import { GATEWAY_QUEUE_MAX, TUNNEL_FRAME_BYTES_MAX } from '../../shared/limits.ts';
import { factSubject, type Observation } from '../../shared/observation.ts';
import { encodeFrame, PROTOCOL_VERSION, type RelayFrame } from '../../shared/tunnel-frame.ts';
import type { Log } from '../log.ts';
import type { Ports } from '../ports.ts';

/** Every subject of a thousand machines changing at once, with room. */
const OBSERVATIONS_MAX = 20_000;
/** In one frame: small enough that a lease answer behind it does not wait long. */
const OBSERVATIONS_PER_FRAME_MAX = 100;
const OBSERVATION_BYTES_PER_FRAME_MAX = 512 * 1_024;
/** Facts that come together go together. */
const GATHER_MS = 20;
/** The edge acknowledges when it has stored; silence of this length means that it failed to. */
const SEND_AGAIN_MS = 30_000;
/** An edge that is silent for so many frames is behind with all of them. */
const UNHEARD_MAX = 8;

export type Outbox = {
  readonly report: (commandId: CommandId, outcome: CommandOutcome, epoch: number | null) => void;
  /** Its outcome is told, and not stored yet as far as is known here. */
  readonly tells: (commandId: CommandId) => boolean;
  readonly observe: (observation: Observation) => void;
  /** A session has begun: everything goes out again. */
  readonly attach: (send: (frame: RelayFrame) => void) => void;
  readonly detach: () => void;
  readonly reportsAcked: (commandIds: readonly CommandId[]) => void;
  readonly observationsAcked: (seq: number) => void;
};

type Report = Extract<RelayFrame, { type: 'report' }>;
type Pending<T> = {
  readonly value: T;
  /** Rises with each that comes. */
  readonly order: number;
  sentAtMs: number | null;
  seq: number | null;
  /** Stored, but an outcome from before it is not: to be told again after that one. */
  waits: boolean;
  /** Frames with older words of its subject that nobody acknowledged. */
  unheard: readonly number[];
};
type State = {
  readonly reports: Map<CommandId, Pending<Report>>;
  readonly observations: Map<string, Pending<Observation>>;
  send: ((frame: RelayFrame) => void) | null;
  nextSeq: number;
  nextOrder: number;
};

export function createOutbox(ports: Ports, log: Log): Outbox {
  const state: State = { reports: new Map(), observations: new Map(), send: null, nextSeq: 0, nextOrder: 0 };
  let cancelFlush: (() => void) | null = null;
  const flush = (): void => {
    cancelFlush?.();
    cancelFlush = null;
    if (state.send === null) return;
    sendReports(state, state.send, ports);
    sendObservations(state, state.send, ports);
    if (state.reports.size + state.observations.size > 0) cancelFlush = ports.timers.after(SEND_AGAIN_MS, flush);
  };
  const flushSoon = (): void => {
    cancelFlush?.();
    cancelFlush = ports.timers.after(GATHER_MS, flush);
  };
  return {
    report: (commandId, outcome, epoch) => {
      keep(
        state,
        state.reports,
        commandId,
        boundedReport({ v: PROTOCOL_VERSION, type: 'report', commandId, outcome, epoch }),
      );
      // The dropped one is in the journal, and the edge asks again for what it holds as unsettled.
      if (dropOldest(state.reports, GATEWAY_QUEUE_MAX)) log.warn('report-dropped', { kept: GATEWAY_QUEUE_MAX });
      flush();
    },
    tells: (commandId) => state.reports.has(commandId),
    observe: (observation) => {
      keep(state, state.observations, `${observation.clusterId}/${factSubject(observation.fact)}`, observation);
      if (dropOldest(state.observations, OBSERVATIONS_MAX)) log.warn('observation-dropped', { kept: OBSERVATIONS_MAX });
      flushSoon();
    },
    attach: (send) => {
      state.send = send;
      for (const pending of [...state.reports.values(), ...state.observations.values()]) {
        pending.sentAtMs = null;
        pending.waits = false;
      }
      flush();
    },
    detach: () => {
      state.send = null;
      cancelFlush?.();
      cancelFlush = null;
    },
    reportsAcked: (commandIds) => {
      for (const commandId of commandIds) state.reports.delete(commandId);
      if (tellWaiting(state)) flushSoon();
    },
    observationsAcked: (seq) => {
      for (const [key, pending] of state.observations) {
        pending.unheard = pending.unheard.filter((other) => other !== seq);
        if (pending.seq === seq && !isToldAgain(state, pending, ports)) state.observations.delete(key);
      }
    },
  };
}

function keep<K, T>(state: State, map: Map<K, Pending<T>>, key: K, value: T): void {
  const before = map.get(key);
  const unheard = [...(before?.unheard ?? []), ...(before?.seq == null ? [] : [before.seq])].slice(-UNHEARD_MAX);
  map.delete(key);
  map.set(key, { value, order: state.nextOrder, sentAtMs: null, seq: null, waits: false, unheard });
  state.nextOrder += 1;
}

/** What is stored now may be hidden yet: by an outcome that is stored later, or an older word that still comes. */
function isToldAgain(state: State, pending: Pending<Observation>, { clock }: Ports): boolean {
  pending.seq = null;
  pending.waits = isAfterUnstored(state, pending);
  const isOvertaken = pending.unheard.length > 0;
  // Once is enough: the edge has given up on the older one by then, and it is not sent any more.
  if (!pending.waits && isOvertaken) pending.unheard = [];
  pending.sentAtMs = clock.monotonicMs();
  return pending.waits || isOvertaken;
}

/** Whether an outcome of the same cluster came before it that the edge has not stored yet. */
function isAfterUnstored({ reports }: State, { value, order }: Pending<Observation>): boolean {
  for (const report of reports.values())
    if (report.order < order && report.value.commandId.startsWith(`${value.clusterId}/`)) return true;
  return false;
}

/** False when nothing waited for what is stored now. */
function tellWaiting(state: State): boolean {
  const ready = [...state.observations.values()].filter((pending) => pending.waits && !isAfterUnstored(state, pending));
  for (const pending of ready) {
    pending.waits = false;
    pending.sentAtMs = null;
  }
  return ready.length > 0;
}

function dropOldest<K, T>(map: Map<K, Pending<T>>, max: number): boolean {
  const oldest = map.size > max ? map.keys().next() : null;
  return oldest !== null && !oldest.done && map.delete(oldest.value);
}

function isDue<T>(pending: Pending<T>, nowMs: number): boolean {
  return pending.sentAtMs === null || nowMs - pending.sentAtMs >= SEND_AGAIN_MS;
}

function sendReports({ reports }: State, send: (frame: RelayFrame) => void, { clock, reach }: Ports): void {
  const nowMs = clock.monotonicMs();
  for (const pending of reports.values()) {
    if (!isDue(pending, nowMs)) continue;
    pending.sentAtMs = nowMs;
    send(pending.value);
    reach('after-report-sent');
  }
}

function sendObservations(state: State, send: (frame: RelayFrame) => void, { clock, reach }: Ports): void {
  const nowMs = clock.monotonicMs();
  let batch: Pending<Observation>[] = [];
  let bytes = 0;
  const sendBatch = (): void => {
    const seq = state.nextSeq;
    state.nextSeq += 1;
    for (const pending of batch) {
      pending.seq = seq;
      pending.sentAtMs = nowMs;
    }
    send({ v: PROTOCOL_VERSION, type: 'observations', seq, observations: batch.map(({ value }) => value) });
    reach('after-observations-sent');
    batch = [];
    bytes = 0;
  };
  for (const pending of state.observations.values()) {
    if (pending.waits || !isDue(pending, nowMs)) continue;
    const size = JSON.stringify(pending.value).length;
    if (batch.length > 0 && bytes + size > OBSERVATION_BYTES_PER_FRAME_MAX) sendBatch();
    batch.push(pending);
    bytes += size;
    if (batch.length >= OBSERVATIONS_PER_FRAME_MAX) sendBatch();
  }
  if (batch.length > 0) sendBatch();
}

/** A result no frame can carry is told as such; sent as it is, it would end every session. */
function boundedReport(report: Report): Report {
  if (Buffer.byteLength(encodeFrame(report)) <= TUNNEL_FRAME_BYTES_MAX) return report;
  const detail = 'the result is larger than a frame of the tunnel';
  return { ...report, outcome: { ok: false, error: { code: 'RELAY_BUG', detail } } };
}
