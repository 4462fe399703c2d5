// The session of a new program that looks whether it gets through, beside the one that serves (U3).
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SessionState } from '../../functions/objects/tunnel-session.ts';
import { UPGRADE_TRIAL_MS } from '../../shared/limits.ts';
import { CLOSE } from '../../shared/tunnel-frame.ts';
import { aCommand, aRelease } from './command-samples.ts';
import { type BenchNode, GatewayBench } from './gateway-bench.ts';

let bench: GatewayBench;
let node: BenchNode;
beforeEach(async () => {
  bench = new GatewayBench();
  node = await bench.pair();
});
afterEach(() => bench.sql.close());

const trial = (joinCounter: number) =>
  bench.join(node, joinCounter, 'boot-trial', { relayVersion: '0.2.0', trial: true });

test('[U3] a trial is welcomed beside the session of its node, ends none, leads nothing and gets no command', async () => {
  const serving = await bench.join(node, 1);
  await bench.logic.enqueue([aCommand()]);
  const trying = await trial(2);
  expect(trying.last('welcome')).toMatchObject({ outstanding: [] });
  expect(serving.closedWith).toBeNull();
  await bench.logic.enqueue([aRelease('w-0')]);
  await bench.settle();
  expect(trying.delivered()).toEqual([]);
  expect(serving.delivered()).toHaveLength(2);
  expect(trying.edge.state()).toMatchObject({ phase: 'trial' });
  expect(SessionState.parse(JSON.parse(JSON.stringify(trying.edge.state())))).toEqual(trying.edge.state());
  expect(await bench.logic.view()).toMatchObject({ nodes: [{ relayVersion: '0', connected: true, leader: true }] });
});

test('[U3] a trial alone does not make its gateway connected', async () => {
  const trying = await trial(1);
  expect(trying.last('welcome')).toBeDefined();
  expect(await bench.logic.view()).toMatchObject({ phase: 'disconnected', nodes: [{ connected: false }] });
});

test('[U3] what a trial says counts for nothing: no lease, no status, no outcome', async () => {
  const serving = await bench.join(node, 1);
  await bench.logic.enqueue([aCommand()]);
  const trying = await trial(2);
  const { length } = trying.frames;
  await bench.say(trying, { type: 'lease-request', epoch: null });
  await bench.say(trying, { type: 'node-status', sealingKey: null, addresses: ['192.0.2.1:1'], at: bench.now });
  const outcome = { ok: false, error: { code: 'NO_QUORUM', detail: '' } } as const;
  await bench.say(trying, { type: 'report', commandId: aCommand().commandId, outcome, epoch: null });
  expect(trying.frames).toHaveLength(length);
  expect(trying.closedWith).toBeNull();
  expect(await bench.logic.view()).toMatchObject({ outstandingCommands: 1, nodes: [{ state: 'active' }] });
  expect(serving.closedWith).toBeNull();
});

test('[U3] its node’s next session ends the trial, and so does a newer trial', async () => {
  const [first, second] = [await trial(1), await trial(2)];
  expect(first.closedWith).toBe(CLOSE.SUPERSEDED);
  const session = await bench.join(node, 3, 'boot-trial', { relayVersion: '0.2.0' });
  expect(second.closedWith).toBe(CLOSE.SUPERSEDED);
  expect(session.closedWith).toBeNull();
  expect(await bench.logic.view()).toMatchObject({ nodes: [{ relayVersion: '0.2.0', leader: true }] });
});

test('[U3] a trial that takes too long is closed, by the alarm that was set for it', async () => {
  const trying = await trial(1);
  await bench.advance(2 * UPGRADE_TRIAL_MS - 1);
  expect(trying.closedWith).toBeNull();
  await bench.advance(1);
  expect(trying.closedWith).toBe(CLOSE.HANDSHAKE_TIMEOUT);
});

test('[U3] [T3] a trial with a counter that was used is a clone, and everything of the node is closed', async () => {
  const serving = await bench.join(node, 2);
  const trying = await trial(2);
  expect([trying.closedWith, serving.closedWith]).toEqual([CLOSE.CLONE_DETECTED, CLOSE.CLONE_DETECTED]);
  expect((await bench.join(node, 9)).closedWith).toBe(CLOSE.CLONE_DETECTED);
});

test('[U3] [T3] the counter of a trial is used up: the session that comes after needs a higher one', async () => {
  await trial(5);
  expect((await bench.join(node, 5)).closedWith).toBe(CLOSE.CLONE_DETECTED);
});

test('[U3] [N7] a node that is removed loses its trial too', async () => {
  const trying = await trial(1);
  await bench.logic.revokeNode(node.nodeId, true);
  expect(trying.closedWith).toBe(CLOSE.REVOKED);
});
