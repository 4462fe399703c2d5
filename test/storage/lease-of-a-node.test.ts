// What a node that begins anew finds of its former process (ruling 13.9).
import { afterEach, expect, test } from 'vitest';
import { LEASE_GUARD_MS } from '../../shared/limits.ts';
import { aRelease } from './command-samples.ts';
import { GatewayBench } from './gateway-bench.ts';

let bench: GatewayBench;
afterEach(() => bench.sql.close());

test('[L8] [L3] the next process of a node has the lease at once, and waits for what the former may still be changing', async () => {
  bench = new GatewayBench();
  const node = await bench.pair();
  const former = await bench.join(node);
  await bench.logic.enqueue([aRelease('w-0')]);
  await bench.settle();
  await bench.say(former, { type: 'lease-request', epoch: null });
  const next = await bench.join(node, 2, 'boot-2');
  await bench.say(next, { type: 'lease-request', epoch: null });
  expect(next.last('lease')).toMatchObject({
    epoch: 2,
    guards: [{ clusterId: 'clu_test', subject: 'w-0', waitMs: LEASE_GUARD_MS }],
  });
  // What the former had on its way takes nothing back.
  await bench.say(former, { type: 'lease-request', epoch: 1 });
  expect(former.last('lease')?.epoch).toBe(1);
  expect(former.last('lease-refused')).toBeDefined();
  await bench.say(next, { type: 'lease-request', epoch: 2 });
  expect(next.last('lease')).toMatchObject({ epoch: 2 });
});

test('[L8] another node waits for the end of the lease all the same', async () => {
  bench = new GatewayBench();
  const first = await bench.join(await bench.pair());
  const other = await bench.join(await bench.pair());
  await bench.say(first, { type: 'lease-request', epoch: null });
  await bench.drop(first);
  await bench.say(other, { type: 'lease-request', epoch: null });
  expect(other.last('lease-refused')?.retryAfterMs).toBeGreaterThan(0);
});
