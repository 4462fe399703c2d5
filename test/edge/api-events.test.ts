import { describe, expect, test } from 'vitest';
import { type EventSource, eventStream } from '../../functions/api/cluster-events.ts';
import type { ClusterPhase } from '../../shared/cluster-view.ts';
import { EVENT_STREAM_MS_MAX } from '../../shared/limits.ts';

/** A cluster whose entries and phase the test sets, and a clock that moves when somebody waits. */
class FakeCluster implements EventSource {
  readonly entries: { seq: number }[] = [];
  phase: ClusterPhase = 'pending';
  gone = false;
  at = 0;
  #plans: (() => void)[] = [];
  readonly clock = {
    now: () => this.at,
    wait: async (ms: number) => {
      this.at += ms;
      this.#plans.shift()?.();
    },
  };

  add(...seqs: number[]): void {
    this.entries.push(...seqs.map((seq) => ({ seq })));
  }

  /** Done at the next wait of the stream. */
  atNextWait(plan: () => void): void {
    this.#plans.push(plan);
  }

  async timeline(after: number) {
    return this.gone ? null : this.entries.filter((entry) => entry.seq > after).slice(0, 100);
  }

  async view() {
    return { phase: this.phase, waitingOn: [] };
  }
}

async function read(cluster: FakeCluster, after: number): Promise<string[]> {
  const text = await new Response(eventStream(cluster, after, cluster.clock)).text();
  return text
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => {
      const [, id] = /^id: (\d+)$/m.exec(event) ?? [];
      const [, phase] = /"phase":"([a-z-]+)"/.exec(event) ?? [];
      return id ?? phase ?? event;
    });
}

describe('the event stream of a cluster', () => {
  test('gives entries by id and each change of phase, and ends with the cluster', async () => {
    const cluster = new FakeCluster();
    cluster.add(1, 2);
    cluster.atNextWait(() => cluster.add(3));
    cluster.atNextWait(() => {
      cluster.phase = 'deleting';
    });
    cluster.atNextWait(() => {
      cluster.add(4);
      cluster.phase = 'deleted';
    });
    expect(await read(cluster, 0)).toEqual(['1', '2', 'pending', '3', 'deleting', '4', 'deleted']);
  });

  test('resumes after the last id, and hands out a long past in order before the phase', async () => {
    const cluster = new FakeCluster();
    cluster.add(...Array.from({ length: 250 }, (_, at) => at + 1));
    cluster.phase = 'deleted';
    const events = await read(cluster, 10);
    expect(events).toEqual([...Array.from({ length: 240 }, (_, at) => String(at + 11)), 'deleted']);
  });

  test('ends after its time, keeps a quiet line alive, and says nothing twice', async () => {
    const cluster = new FakeCluster();
    cluster.add(1);
    const events = await read(cluster, 0);
    expect(cluster.at).toBeGreaterThanOrEqual(EVENT_STREAM_MS_MAX);
    expect(cluster.at).toBeLessThan(EVENT_STREAM_MS_MAX + 2_000);
    expect(events.slice(0, 2)).toEqual(['1', 'pending']);
    const beats = events.slice(2);
    expect(new Set(beats)).toEqual(new Set([': beat']));
    expect(beats.length).toBeGreaterThanOrEqual(15);
  });

  test('ends when the object gives no answer, so that the client resumes', async () => {
    const cluster = new FakeCluster();
    cluster.add(1);
    cluster.atNextWait(() => {
      cluster.gone = true;
    });
    expect(await read(cluster, 0)).toEqual(['1', 'pending']);
  });
});
