// Calls at the same moment, and answers that never arrive.

import { afterEach, expect, test } from 'vitest';
import { startTestLab, type TestLab } from './lab-client.ts';

const M0 = 'm00000';
let lab: TestLab;
afterEach(() => lab.close());

const statuses = (replies: readonly { status: number }[]) => replies.map((reply) => reply.status).sort();

test('six allocates of one machine: one gets it, five are told plainly', async () => {
  lab = await startTestLab();
  const replies = await Promise.all(
    Array.from({ length: 6 }, (_, n) => lab.post('machines/?op=allocate', { system_id: M0, agent_name: `racer-${n}` })),
  );
  expect(statuses(replies)).toEqual([200, 409, 409, 409, 409, 409]);
  expect(replies.filter((reply) => reply.status === 409).every((reply) => reply.retryAfter === null)).toBe(true);
});

test('six allocates of three machines: three different ones', async () => {
  lab = await startTestLab({ machines: 3 });
  const replies = await Promise.all(
    Array.from({ length: 6 }, (_, n) =>
      lab.post('machines/?op=allocate', { pool: 'default', agent_name: `racer-${n}` }),
    ),
  );
  const got = replies.filter((reply) => reply.status === 200).map((reply) => JSON.parse(reply.text).system_id);
  expect(new Set(got).size).toBe(3);
  expect(statuses(replies)).toEqual([200, 200, 200, 409, 409, 409]);
});

test('five deploys of one Ready machine: one wins, and its agent_name stands', async () => {
  lab = await startTestLab();
  const replies = await Promise.all(
    Array.from({ length: 5 }, (_, n) => lab.post(`machines/${M0}/?op=deploy`, { agent_name: `racer-${n}` })),
  );
  expect(statuses(replies)).toEqual([200, 409, 409, 409, 409]);
  const winner = replies.findIndex((reply) => reply.status === 200);
  expect(JSON.parse((await lab.get(`machines/?agent_name=racer-${winner}`)).text)).toHaveLength(1);
});

test('agent_name is matched whole: a prefix finds nothing', async () => {
  lab = await startTestLab();
  await lab.post('machines/?op=allocate', { system_id: M0, agent_name: 'claim/1/2' });
  expect(JSON.parse((await lab.get('machines/?agent_name=claim/1')).text)).toEqual([]);
});

test('an agent_name given to the deploy of an allocated machine is ignored', async () => {
  lab = await startTestLab();
  await lab.post('machines/?op=allocate', { system_id: M0, agent_name: 'first' });
  await lab.post(`machines/${M0}/?op=deploy`, { agent_name: 'second' });
  expect(JSON.parse((await lab.get('machines/?agent_name=first')).text)).toHaveLength(1);
  expect(JSON.parse((await lab.get('machines/?agent_name=second')).text)).toEqual([]);
});

test('a slow power-off holds the answer while others see Releasing; a second release is a no-op', async () => {
  lab = await startTestLab({ timings: { releaseMs: 150 } });
  await lab.post(`machines/${M0}/?op=deploy`);
  await lab.reached(M0, 'Deployed');
  let answered = false;
  const first = lab.post(`machines/${M0}/?op=release`).then((reply) => {
    answered = true;
    return reply;
  });
  await lab.reached(M0, 'Releasing');
  const second = await lab.post(`machines/${M0}/?op=release`);
  expect(second.status).toBe(200);
  expect(answered).toBe(false);
  expect(await lab.post('machines/?op=release', { machines: M0 })).toMatchObject({ status: 409 });
  expect((await first).status).toBe(200);
  expect(await lab.statusOf(M0)).toBe('Ready');
});

test('a lost answer: the allocate happened, and the agent_name finds it', async () => {
  lab = await startTestLab();
  lab.faults.arm({ kind: 'lose-answer', match: { operation: 'allocate' }, times: 1 });
  await expect(lab.post('machines/?op=allocate', { system_id: M0, agent_name: 'lost' })).rejects.toThrow();
  expect(JSON.parse((await lab.get('machines/?agent_name=lost')).text)).toHaveLength(1);
  expect((await lab.post('machines/?op=allocate', { agent_name: 'next' })).status).toBe(200);
});

test('a refused connection: the allocate did not happen', async () => {
  lab = await startTestLab();
  lab.faults.arm({ kind: 'refuse-connection', match: { operation: 'allocate' }, times: 1 });
  await expect(lab.post('machines/?op=allocate', { system_id: M0, agent_name: 'never' })).rejects.toThrow();
  expect(JSON.parse((await lab.get('machines/?agent_name=never')).text)).toEqual([]);
  expect(lab.history).toEqual([]);
});
