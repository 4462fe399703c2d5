// A cluster of another project on this gateway: whom its outcomes and facts go to (C13).
import { expect, test } from 'vitest';
import { ClusterId, ProjectId, type Scope } from '../../shared/ids.ts';
import { aCommand, SCOPE } from './command-samples.ts';
import { GatewayBench } from './gateway-bench.ts';

test('[C13] what is said of a cluster goes to its own project, of every other to the gateway’s', async () => {
  const told: string[] = [];
  const bench = new GatewayBench({
    cluster: ({ projectId }: Scope, id) => ({
      report: async () => void told.push(`${id} of ${projectId}`),
      gatewayConnected: async () => void told.push(`${id} of ${projectId}`),
    }),
  });
  const relay = await bench.join(await bench.pair());
  const theirs = aCommand({ clusterId: ClusterId.parse('clu_theirs') });
  const ours = aCommand({ clusterId: ClusterId.parse('clu_ours') });
  await bench.logic.enqueue([theirs], ProjectId.parse('prj_theirs'));
  await bench.logic.enqueue([ours]);
  await bench.settle();
  // Both are new here, and learn that a relay is connected.
  const own = `clu_ours of ${SCOPE.projectId}`;
  expect(told.splice(0).sort()).toEqual([own, 'clu_theirs of prj_theirs']);
  const outcome = { ok: false, error: { code: 'DEADLINE_PASSED', detail: 'late' } } as const;
  for (const { commandId } of [theirs, ours])
    await bench.say(relay, { type: 'report', commandId, outcome, epoch: null });
  expect(told.sort()).toEqual([own, 'clu_theirs of prj_theirs']);
  // A relay is told nothing of projects.
  expect(relay.delivered().map(({ scope }) => scope)).toEqual([SCOPE, SCOPE]);
  bench.sql.close();
});
