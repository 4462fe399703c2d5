// The outbox of a cluster, carried out lane by lane: in the order in which the plan had it.
import { expect, test } from 'vitest';
import { clusterStorage } from '../../functions/objects/cluster-storage.ts';
import { drainLane, type EffectPorts } from '../../functions/objects/run-effects.ts';
import { Claim } from '../../shared/claim.ts';
import { PRODUCTION_WAITS } from '../../shared/limits.ts';
import { apiFailure } from '../../shared/problem.ts';
import { err, ok } from '../../shared/result.ts';
import { nodeSql } from '../support/node-sql.ts';
import { aRelease, CLUSTER_ID } from './command-samples.ts';

test('[GW4] a relay is shut out before the commands behind it are handed over, and while it can’t be they wait', async () => {
  const sql = nodeSql();
  const storage = clusterStorage(sql);
  storage.open();
  let now = 1_800_000_000_000;
  let refuses = true;
  const asked: string[] = [];
  const ports: EffectPorts = {
    now: () => now,
    waits: PRODUCTION_WAITS,
    clusterId: CLUSTER_ID,
    gateway: () => ({
      enqueue: async (commands) => {
        asked.push(...commands.map(({ commandId }) => commandId));
        return ok(null);
      },
      withdraw: async () => undefined,
      revokeRelayOf: async (claim) => {
        asked.push(claim);
        return refuses ? err(apiFailure('CONFIRMATION_REQUIRED')) : ok(null);
      },
      leaveQueue: async () => undefined,
    }),
    project: async () => undefined,
    log: () => undefined,
  };
  const [before, after] = [aRelease('w-0'), aRelease('w-1')];
  const claim = Claim.parse(`slipway/gw_test/${CLUSTER_ID}/w-1/1`);
  storage.commit(null, null, [
    { kind: 'send-command', command: before },
    { kind: 'revoke-relay', claim },
    { kind: 'send-command', command: after },
  ]);
  await drainLane(storage, 'gateway', ports);
  expect(asked).toEqual([before.commandId, claim]);
  refuses = false;
  now += PRODUCTION_WAITS.retryMsMax;
  await drainLane(storage, 'gateway', ports);
  expect(asked).toEqual([before.commandId, claim, claim, after.commandId]);
  sql.close();
});
