import { expect, test } from 'vitest';
import { createBusyLease } from '../../relay/tunnel/busy-lease.ts';
import { createLease } from '../../relay/tunnel/lease.ts';
import type { Standing } from '../../relay/tunnel/node-status.ts';
import { DEPLOY_DEADLINE_MS } from '../../shared/limits.ts';
import type { RelayFrame } from '../../shared/tunnel-frame.ts';
import { testLog, testPorts } from './memory-ports.ts';

function lease(says = { releases: false }) {
  const ports = testPorts();
  const held = createLease(ports, testLog().log, says);
  const sent: RelayFrame[] = [];
  held.attach((frame) => void sent.push(frame));
  const passed: string[] = [];
  const end = new AbortController();
  const ensure = (subject: string): void =>
    void held.ensure('clu_a', subject, end.signal).then((may) => passed.push(`${subject}:${may}`));
  const grant = (epoch = 1, guards: { clusterId: string; subject: string; waitMs: number }[] = []): void =>
    held.granted({ v: 1, type: 'lease', epoch, durationMs: 12_000, guards });
  return { ports, held, sent, passed, ensure, grant, end };
}

test('[L1] the lease is asked for when there is something to change, and not before', async () => {
  const { ports, sent, passed, ensure, grant } = lease();
  await ports.advance(60_000);
  expect(sent).toEqual([]);
  ensure('a');
  ensure('b');
  await ports.advance(0);
  expect(sent).toEqual([{ v: 1, type: 'lease-request', epoch: null }]);
  grant();
  await ports.advance(0);
  expect(passed).toEqual(['a:true', 'b:true']);
});

test('[L2] it counts 12 s from the request, not from the answer', async () => {
  const { ports, held, ensure, grant } = lease();
  ensure('a');
  await ports.advance(4_000);
  grant();
  await ports.advance(7_999);
  expect(held.epoch()).toBe(1);
  await ports.advance(1);
  expect(held.epoch()).toBeNull();
});

test('[L2] a shorter lease than usual is renewed as much sooner', async () => {
  const { ports, held, sent, ensure } = lease();
  held.hold();
  ensure('a');
  for (let round = 0; round < 3; round += 1) {
    await ports.advance(0);
    held.granted({ v: 1, type: 'lease', epoch: 1, durationMs: 1_200, guards: [] });
    await ports.advance(499);
    expect(sent).toHaveLength(round + 1);
    await ports.advance(1);
    expect([sent.length, held.epoch()]).toEqual([round + 2, 1]);
  }
});

test('[L2] it is renewed every 5 s while a command needs it, and no longer', async () => {
  const { ports, held, sent, ensure, grant } = lease();
  const release = held.hold();
  ensure('a');
  await ports.advance(0);
  grant();
  for (let round = 0; round < 6; round += 1) {
    await ports.advance(5_000);
    grant();
    expect(held.epoch()).toBe(1);
  }
  expect(sent).toHaveLength(7);
  expect(sent.at(-1)).toMatchObject({ epoch: 1 });
  release();
  await ports.advance(60_000);
  expect(sent).toHaveLength(7);
  expect(held.epoch()).toBeNull();
});

test('[L3] a subject that an older epoch may still be changing waits; others do not', async () => {
  const { ports, held, passed, ensure, grant } = lease();
  const release = held.hold();
  ensure('a');
  ensure('b');
  await ports.advance(0);
  grant(2, [{ clusterId: 'clu_a', subject: 'a', waitMs: 20_000 }]);
  for (let round = 0; round < 3; round += 1) {
    await ports.advance(5_000);
    grant(2);
  }
  expect(passed).toEqual(['b:true']);
  await ports.advance(5_000);
  expect(passed).toEqual(['b:true', 'a:true']);
  release();
});

test('[L4] an answer to an older request is not taken for one to a newer, so the lease never looks longer than it is', async () => {
  const { ports, held, ensure, grant } = lease();
  ensure('a');
  await ports.advance(5_000);
  grant();
  await ports.advance(7_000);
  expect(held.epoch()).toBeNull();
});

test('[L4] refused, it waits as long as it is told and asks again; stopped, it says so', async () => {
  const { ports, held, sent, passed, ensure, end } = lease();
  ensure('a');
  await ports.advance(0);
  held.refused({ v: 1, type: 'lease-refused', retryAfterMs: 3_000 });
  await ports.advance(2_999);
  expect(sent).toHaveLength(1);
  await ports.advance(1);
  expect(sent).toHaveLength(2);
  end.abort();
  await ports.advance(0);
  expect(passed).toEqual(['a:false']);
});

test('a new session asks again for what waits', async () => {
  const { ports, held, sent, ensure } = lease();
  ensure('a');
  await ports.advance(0);
  held.detach();
  await ports.advance(30_000);
  const again: RelayFrame[] = [];
  held.attach((frame) => void again.push(frame));
  expect([sent.length, again.length]).toEqual([1, 1]);
});

test('[L2] a lease that is needed no more is given back in so many words, and nothing is changed under it', async () => {
  const { ports, held, sent, ensure, grant } = lease({ releases: true });
  const release = held.hold();
  ensure('a');
  await ports.advance(0);
  grant();
  release();
  await ports.advance(5_000);
  expect(sent.at(-1)).toEqual({ v: 1, type: 'lease-release', epoch: 1 });
  expect(held.epoch()).toBeNull();
  await ports.advance(60_000);
  expect(sent).toHaveLength(2);
});

test('[L2] a session begins without the lease of the one before, and a refusal ends it', async () => {
  const { ports, held, sent, passed, ensure, grant } = lease();
  held.hold();
  ensure('a');
  await ports.advance(0);
  grant();
  await ports.advance(1_000);
  held.detach();
  // What was begun goes on: it was sent before, and is guarded.
  expect(held.isFree('clu_a', 'a')).toBe(true);
  held.attach((frame) => void sent.push(frame));
  expect(held.isFree('clu_a', 'a')).toBe(false);
  expect(sent.at(-1)).toEqual({ v: 1, type: 'lease-request', epoch: null });
  grant();
  expect(held.epoch()).toBe(1);
  await ports.advance(5_000);
  held.refused({ v: 1, type: 'lease-refused', retryAfterMs: 1_000 });
  expect([held.epoch(), passed]).toEqual([null, ['a:true']]);
});

test('[L8] a relay that ends gives the lease back, and asks for none and takes none any more', async () => {
  const { ports, held, sent, ensure, grant } = lease({ releases: true });
  held.hold(true);
  await ports.advance(0);
  grant();
  held.end();
  expect(sent.at(-1)).toEqual({ v: 1, type: 'lease-release', epoch: 1 });
  expect(held.epoch()).toBeNull();
  ensure('a');
  await ports.advance(60_000);
  expect(sent).toHaveLength(2);
  grant();
  expect(held.epoch()).toBeNull();
});

test('[L1] [L6] a leader with others standing by keeps the lease while anything is under way; alone or standing by it does not', async () => {
  const { ports, held, sent, grant } = lease({ releases: true });
  let standing: Standing = { state: 'active', leader: true, peers: [] };
  const busy = createBusyLease(held, { standing: () => standing }, ports.timers);
  busy.stir();
  standing = { state: 'active', leader: false, peers: ['10.0.0.2:8443'] };
  busy.stir();
  await ports.advance(10_000);
  expect(sent).toEqual([]);
  standing = { ...standing, leader: true };
  busy.stir();
  expect(sent).toEqual([{ v: 1, type: 'lease-request', epoch: null }]);
  grant();
  for (let waited = 0; waited < DEPLOY_DEADLINE_MS; waited += 5_000) {
    await ports.advance(5_000);
    grant();
  }
  await ports.advance(5_000);
  expect(sent.at(-1)).toMatchObject({ type: 'lease-release' });
});
