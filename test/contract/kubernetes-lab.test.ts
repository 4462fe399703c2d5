// The lab's Kubernetes API against recordings of a real v1.36.2: how many agree, group by group.
import { afterAll, describe, expect, it } from 'vitest';
import type { KubernetesApiOptions } from '../lab/kubernetes/kubernetes-api.ts';
import { NOT_REPLAYED } from '../lab-kubernetes/not-replayed.ts';
import { playCluster } from '../lab-kubernetes/played-cluster.ts';
import { disagreements, haveRecordings, loadRecordings, RECORDINGS } from '../lab-kubernetes/recording.ts';
import { replay } from '../lab-kubernetes/replay.ts';
import { NODE_GROUPS } from '../lab-kubernetes/replay-nodes.ts';
import { OBJECT_GROUPS } from '../lab-kubernetes/replay-objects.ts';
import { WORKLOAD_GROUPS } from '../lab-kubernetes/replay-workloads.ts';

const GROUPS = { ...NODE_GROUPS, ...OBJECT_GROUPS, ...WORKLOAD_GROUPS };
const AGREEMENT_MIN = 0.9;
const LONG_MS = 3_600_000;
const QUICK = { kubeletGraceMs: 50, cniReadyMs: 1, podStartMs: 1, etcdCheckMs: 100, reconcileMs: 5 };

const OPTIONS: Readonly<Record<string, Partial<KubernetesApiOptions>>> = {
  'startup-roles': { startup: { listenAfterMs: 0, rolesAfterMs: LONG_MS, readyAfterMs: LONG_MS } },
  'startup-hooks': { startup: { listenAfterMs: 0, rolesAfterMs: 0, readyAfterMs: LONG_MS } },
  // Slow enough for a second eviction to meet a pod that is still going.
  'custom-resource': { timings: { ...QUICK, crdServedMs: 500 } },
  eviction: { timings: { ...QUICK, podStopMs: 1_500 } },
};
const WITHOUT_NODES = new Set(['first-node']);

if (!haveRecordings()) console.warn(`SKIPPED: no recordings of a real Kubernetes API at ${RECORDINGS}`);

describe.skipIf(!haveRecordings())("the lab's Kubernetes API agrees with the recordings", () => {
  const recordings = haveRecordings() ? loadRecordings() : new Map();
  const table: string[] = [];

  afterAll(() => {
    const left = Object.entries(NOT_REPLAYED).map(([name, reason]) => `  not replayed: ${name}: ${reason}`);
    console.log(['Agreement with the recorded Kubernetes API:', ...table, ...left].join('\n'));
  });

  it.each(Object.keys(GROUPS))('%s', async (group) => {
    const lab = await playCluster({ timings: QUICK, ...OPTIONS[group] }, !WITHOUT_NODES.has(group));
    const wrong: string[] = [];
    const steps = Object.entries(GROUPS).find(([name]) => name === group)?.[1] ?? [];
    try {
      for (const step of steps) {
        const recording = recordings.get(step.name);
        if (recording === undefined) {
          wrong.push(`${step.name}: no such recording`);
          continue;
        }
        const found = disagreements(recording, await replay(lab, recording, step));
        if (found.length > 0) wrong.push(`${step.name}: ${found.slice(0, 8).join('; ')}`);
      }
    } finally {
      await lab.api.close();
    }
    const agree = steps.length - wrong.length;
    table.push(`  ${group.padEnd(16)} ${agree}/${steps.length}`, ...wrong.map((line) => `    ${line.slice(0, 900)}`));
    expect(agree / steps.length, wrong.join('\n')).toBeGreaterThanOrEqual(AGREEMENT_MIN);
  });

  it('knows every recording', () => {
    const known = new Set([
      ...Object.values(GROUPS).flatMap((steps) => steps.map((step) => step.name)),
      ...Object.keys(NOT_REPLAYED),
    ]);
    expect([...recordings.keys()].filter((name) => !known.has(name))).toEqual([]);
  });
});
