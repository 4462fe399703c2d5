import { expect, test } from 'vitest';
import { createOutbox } from '../../relay/tunnel/outbox.ts';
import type { CommandOutcome } from '../../shared/command.ts';
import { TUNNEL_FRAME_BYTES_MAX } from '../../shared/limits.ts';
import type { Observation } from '../../shared/observation.ts';
import { encodeFrame, RelayFrame } from '../../shared/tunnel-frame.ts';
import { CLUSTER, identityCommand } from './commands.ts';
import { testLog, testPorts } from './memory-ports.ts';

const OUTCOME: CommandOutcome = { ok: false, error: { code: 'NO_QUORUM', detail: 'x' } };
const { commandId } = identityCommand();

function outbox() {
  const ports = testPorts();
  const box = createOutbox(ports, testLog().log);
  const session = (): RelayFrame[] => {
    const sent: RelayFrame[] = [];
    box.attach((frame) => void sent.push(frame));
    return sent;
  };
  return { ports, box, session };
}

const ready = (detail: string, ready = true): Observation => ({
  clusterId: CLUSTER,
  at: 1,
  fact: { kind: 'api-server', ready, detail },
});
const step = (name: string, log: string): Observation => ({
  clusterId: CLUSTER,
  at: 1,
  fact: {
    kind: 'node',
    name,
    present: true,
    ready: true,
    role: 'worker',
    providerId: null,
    internalIp: null,
    kubeletVersion: log,
    reason: '',
  },
});

test('[C9] a report is sent again with each session, and when no word comes, until it is acknowledged', async () => {
  const { ports, box, session } = outbox();
  const first = session();
  box.report(commandId, OUTCOME, 3);
  expect(first).toEqual([{ v: 1, type: 'report', commandId, outcome: OUTCOME, epoch: 3 }]);
  await ports.advance(30_000);
  expect(first).toHaveLength(2);
  box.detach();
  const second = session();
  expect(second).toHaveLength(1);
  box.reportsAcked([commandId]);
  await ports.advance(120_000);
  expect([second.length, session().length]).toEqual([1, 0]);
});

test('[C9] what was reported with no session at all waits for one', () => {
  const { box, session } = outbox();
  box.report(commandId, OUTCOME, null);
  expect(session()).toHaveLength(1);
});

test('[C9] of one subject only the newest fact goes, and an acknowledgement of an older one does not stop it', async () => {
  const { ports, box, session } = outbox();
  const sent = session();
  box.observe(ready('one'));
  box.observe(ready('two'));
  await ports.advance(100);
  expect(sent).toMatchObject([{ seq: 0, observations: [{ fact: { detail: 'two' } }] }]);
  box.observe(ready('three'));
  box.observationsAcked(0);
  await ports.advance(100);
  expect(sent[1]).toMatchObject({ seq: 1, observations: [{ fact: { detail: 'three' } }] });
  box.observationsAcked(1);
  box.detach();
  expect(session()).toEqual([]);
});

test('[C9] a fact that came after an outcome is told once more when that outcome, stored late, can have hidden it', async () => {
  const { ports, box, session } = outbox();
  const sent = session();
  box.observe(ready('before'));
  box.report(commandId, OUTCOME, 3);
  await ports.advance(100);
  box.observationsAcked(0);
  box.observe(step('node-1', 'after'));
  await ports.advance(100);
  box.observationsAcked(1);
  sent.length = 0;
  await ports.advance(1_000);
  expect(sent).toEqual([]);
  box.reportsAcked([commandId]);
  await ports.advance(100);
  expect(sent).toMatchObject([{ type: 'observations', seq: 2, observations: [step('node-1', 'after')] }]);
  box.observationsAcked(2);
  await ports.advance(120_000);
  expect(sent).toHaveLength(1);
});

test('[C9] a fact is told once more when an older one was sent and never acknowledged: it may be stored late', async () => {
  const { ports, box, session } = outbox();
  const sent = session();
  box.observe(ready('older'));
  await ports.advance(100);
  box.observe(ready('newer'));
  await ports.advance(100);
  box.observationsAcked(1);
  sent.length = 0;
  await ports.advance(60_000);
  expect(sent).toMatchObject([{ type: 'observations', seq: 2, observations: [{ fact: { detail: 'newer' } }] }]);
  box.observationsAcked(2);
  await ports.advance(120_000);
  expect(sent).toHaveLength(1);
});

test('frames stay small, whatever there is to tell', async () => {
  const { ports, box, session } = outbox();
  const sent = session();
  for (let at = 0; at < 1_000; at += 1) box.observe(step(`node-${at}`, 'x'.repeat(10_000)));
  await ports.advance(100);
  expect(sent.flatMap((frame) => (frame.type === 'observations' ? frame.observations : []))).toHaveLength(1_000);
  for (const frame of sent) expect(encodeFrame(frame).length).toBeLessThan(700_000);
});

test('a result that no frame can carry is told as RELAY_BUG instead of ending every session', () => {
  const { box, session } = outbox();
  const sent = session();
  const released = Array.from({ length: 100 }, () => 'x'.repeat(TUNNEL_FRAME_BYTES_MAX / 50));
  box.report(commandId, { ok: true, value: { verb: 'ensure-address-released', released } }, null);
  expect(sent).toMatchObject([{ outcome: { ok: false, error: { code: 'RELAY_BUG' } } }]);
  expect(RelayFrame.safeParse(sent[0]).success).toBe(true);
});

test('what is kept is bounded: the oldest facts go first', async () => {
  const { ports, box, session } = outbox();
  for (let at = 0; at < 20_100; at += 1) box.observe(step(`node-${at}`, ''));
  const sent = session();
  await ports.advance(100);
  const kept = sent.flatMap((frame) => (frame.type === 'observations' ? frame.observations : []));
  expect(kept).toHaveLength(20_000);
  expect(kept[0]).toMatchObject({ fact: { name: 'node-100' } });
});
