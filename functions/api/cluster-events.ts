// A cluster's timeline and phase as server-sent events. Timeline entries carry their seq as the event id, so a client that
// lost the stream resumes with Last-Event-ID and misses nothing.
import { z } from 'zod';
import type { ClusterView } from '../../shared/cluster-view.ts';
import type { ClusterId, Scope } from '../../shared/ids.ts';
import { EVENT_STREAM_BEAT_MS, EVENT_STREAM_MS_MAX, EVENT_STREAM_POLL_MS } from '../../shared/limits.ts';
import { ok } from '../../shared/result.ts';
import { now } from '../clock.ts';
import { clusterOf, type Env } from '../env.ts';
import { callObject } from './call-object.ts';
import { OneCluster, readCluster } from './clusters.ts';
import { READERS } from './roles.ts';
import { defineRoute, Nothing } from './route.ts';

const ENTRIES_AT_ONCE = 100;

export const streamEvents = defineRoute(
  {
    method: 'GET',
    path: '/v1/clusters/{clusterId}/events',
    summary: 'Timeline entries and phase changes as they happen; ends after 5 minutes, resume with Last-Event-ID',
    roles: READERS,
    params: OneCluster,
    query: z.strictObject({ after: z.coerce.number().int().min(0).default(0) }),
    body: Nothing,
    answers: { 200: z.string() },
    streams: 'text/event-stream',
    problems: ['UNAVAILABLE'],
  },
  async (call) => {
    const cluster = await readCluster(call, call.params.clusterId);
    if (!cluster.ok) return cluster;
    const resumed = z.coerce
      .number()
      .int()
      .min(0)
      .safeParse(call.request.headers.get('last-event-id') ?? undefined);
    const after = resumed.success ? resumed.data : call.query.after;
    const source = readerOf(call.env, call.principal.scope, call.params.clusterId);
    return ok({ status: 200, stream: eventStream(source, after, { now, wait: (ms) => scheduler.wait(ms) }) });
  },
);

export type EventSource = {
  timeline(after: number): Promise<readonly { readonly seq: number }[] | null>;
  view(): Promise<Pick<ClusterView, 'phase' | 'waitingOn'> | null>;
};

type Clock = { now(): number; wait(ms: number): Promise<unknown> };

/** Looks at the pace of EVENT_STREAM_POLL_MS while somebody reads; null from the source ends the stream, the client resumes. */
export function eventStream(source: EventSource, after: number, clock: Clock): ReadableStream<Uint8Array> {
  const endsAt = clock.now() + EVENT_STREAM_MS_MAX;
  const encoder = new TextEncoder();
  let seen = after;
  let said = '';
  let spokeAt = clock.now();
  return new ReadableStream({
    async pull(controller) {
      // A pull must bring something or end: otherwise it is not called again.
      while (clock.now() < endsAt) {
        const [entries, view] = await Promise.all([source.timeline(seen), source.view()]);
        if (entries === null || view === null) break;
        const caughtUp = entries.length < ENTRIES_AT_ONCE;
        const events = entries.map((entry) => `id: ${entry.seq}\nevent: timeline\ndata: ${JSON.stringify(entry)}\n\n`);
        const state = JSON.stringify({ phase: view.phase, waitingOn: view.waitingOn });
        // Entries first, so that `deleted` is the last word.
        if (caughtUp && state !== said) events.push(`event: phase\ndata: ${state}\n\n`);
        if (events.length === 0 && clock.now() - spokeAt >= EVENT_STREAM_BEAT_MS) events.push(': beat\n\n');
        if (events.length > 0) {
          seen = entries.at(-1)?.seq ?? seen;
          said = caughtUp ? state : said;
          spokeAt = clock.now();
          controller.enqueue(encoder.encode(events.join('')));
          if (caughtUp && view.phase === 'deleted') controller.close();
          return;
        }
        await clock.wait(EVENT_STREAM_POLL_MS);
      }
      controller.close();
    },
  });
}

function readerOf(env: Env, scope: Scope, id: ClusterId): EventSource {
  return {
    timeline: async (after) => {
      const entries = await callObject(() => clusterOf(env, scope, id).timeline(after, ENTRIES_AT_ONCE));
      return entries.ok ? entries.value : null;
    },
    view: async () => {
      const view = await callObject(() => clusterOf(env, scope, id).view());
      return view.ok ? view.value : null;
    },
  };
}
