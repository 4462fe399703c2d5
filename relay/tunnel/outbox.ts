// What is to be told to the edge: the outcome of each command, and the newest fact of each subject. Kept until the edge says
// that it has stored it (C9), sent again with each session and when no word comes. Memory only: after a restart the edge
// delivers again what it holds as unsettled, and the journal answers.
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

export type Outbox = {
  readonly report: (commandId: CommandId, outcome: CommandOutcome, epoch: number | null) => void;
  readonly observe: (observation: Observation) => void;
  /** A session has begun: everything goes out again. */
  readonly attach: (send: (frame: RelayFrame) => void) => void;
  readonly detach: () => void;
  readonly reportsAcked: (commandIds: readonly CommandId[]) => void;
  readonly observationsAcked: (seq: number) => void;
};

type Report = Extract<RelayFrame, { type: 'report' }>;
type Pending<T> = { readonly value: T; sentAtMs: number | null; seq: number | null };
type State = {
  readonly reports: Map<CommandId, Pending<Report>>;
  readonly observations: Map<string, Pending<Observation>>;
  send: ((frame: RelayFrame) => void) | null;
  nextSeq: number;
};

export function createOutbox(ports: Ports, log: Log): Outbox {
  const state: State = { reports: new Map(), observations: new Map(), send: null, nextSeq: 0 };
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
      keep(state.reports, commandId, boundedReport({ v: PROTOCOL_VERSION, type: 'report', commandId, outcome, epoch }));
      // The dropped one is in the journal, and the edge asks again for what it holds as unsettled.
      if (dropOldest(state.reports, GATEWAY_QUEUE_MAX)) log.warn('report-dropped', { kept: GATEWAY_QUEUE_MAX });
      flush();
    },
    observe: (observation) => {
      keep(state.observations, `${observation.clusterId}/${factSubject(observation.fact)}`, observation);
      if (dropOldest(state.observations, OBSERVATIONS_MAX)) log.warn('observation-dropped', { kept: OBSERVATIONS_MAX });
      flushSoon();
    },
    attach: (send) => {
      state.send = send;
      for (const pending of [...state.reports.values(), ...state.observations.values()]) pending.sentAtMs = null;
      flush();
    },
    detach: () => {
      state.send = null;
      cancelFlush?.();
      cancelFlush = null;
    },
    reportsAcked: (commandIds) => {
      for (const commandId of commandIds) state.reports.delete(commandId);
    },
    observationsAcked: (seq) => {
      for (const [key, pending] of state.observations) if (pending.seq === seq) state.observations.delete(key);
    },
  };
}

function keep<K, T>(map: Map<K, Pending<T>>, key: K, value: T): void {
  map.delete(key);
  map.set(key, { value, sentAtMs: null, seq: null });
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
    if (!isDue(pending, nowMs)) continue;
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
