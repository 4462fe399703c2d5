// One machine's life through the lab over real HTTP, and what its name can do to it.

import { afterEach, expect, test } from 'vitest';
import { deadDriver } from '../lab/machines/idle.ts';
import { startTestLab, type TestLab, waitUntil } from './lab-client.ts';

const M0 = 'm00000';
let lab: TestLab;
afterEach(() => lab.close());

const deploy = (systemId = M0) =>
  lab.post(`machines/${systemId}/?op=deploy`, {
    user_data: Buffer.from('#cloud-config\n').toString('base64'),
    agent_name: 'claim-1',
  });

test('a deployed machine is the plain user’s until its release ends, and then nobody’s', async () => {
  lab = await startTestLab();
  expect((await deploy()).status).toBe(200);
  await lab.reached(M0, 'Deployed');
  await lab.post(`machines/${M0}/?op=set_workload_annotations`, { 'slipway.claim': 'claim-1' });
  expect(lab.leftovers('slipway')).toEqual({ machines: 1, addresses: 0, dnsRecords: 0 });
  const answer = await lab.post(`machines/${M0}/?op=release`);
  expect(JSON.parse(answer.text)).toMatchObject({
    status_name: 'Releasing',
    owner: 'slipway',
    workload_annotations: { 'slipway.claim': 'claim-1' },
  });
  expect(JSON.parse((await lab.get(`machines/${M0}/`)).text)).toMatchObject({
    status_name: 'Ready',
    owner: null,
    owner_data: {},
    ip_addresses: [],
  });
  expect(lab.leftovers('slipway')).toEqual({ machines: 0, addresses: 0, dnsRecords: 0 });
  expect(lab.delays.map((delay) => delay.kind)).toEqual(['deploy', 'power-off']);
});

test('the history tells every mutating call with caller, machine, claim and status', async () => {
  lab = await startTestLab();
  await lab.post('machines/?op=allocate', { system_id: M0, agent_name: 'claim-7' });
  await lab.post('machines/?op=allocate', { system_id: M0, agent_name: 'claim-8' });
  await lab.post(`machines/${M0}/?op=release`);
  expect(
    lab.history.map(({ operation, machine, claim, status, caller }) => ({ operation, machine, claim, status, caller })),
  ).toEqual([
    { operation: 'machines.allocate', machine: M0, claim: 'claim-7', status: 200, caller: 'slipway' },
    { operation: 'machines.allocate', machine: null, claim: 'claim-8', status: 409, caller: 'slipway' },
    { operation: 'machine.release', machine: M0, claim: 'claim-7', status: 200, caller: 'slipway' },
  ]);
});

test('user-data never enters the history', async () => {
  lab = await startTestLab();
  await deploy();
  expect(JSON.stringify(lab.history)).not.toContain('user_data');
});

test('fails-deploying-… ends in Failed deployment with a reason', async () => {
  lab = await startTestLab({ hostnames: ['fails-deploying-1'] });
  await deploy();
  await lab.reached(M0, 'Failed deployment');
  expect(JSON.parse((await lab.get(`machines/${M0}/`)).text).error_description).toContain('Installation failed');
});

test('never-boots-… is powered on and times out', async () => {
  lab = await startTestLab({ hostnames: ['never-boots-1'] });
  await deploy();
  await lab.reached(M0, 'Failed deployment');
  expect(JSON.parse((await lab.get(`machines/${M0}/`)).text)).toMatchObject({
    power_state: 'on',
    error_description: "Node operation 'Deploying' timed out after 30 minutes.",
  });
});

test('fails-releasing-… falls back to Deployed without its agent_name, and obeys the third time', async () => {
  lab = await startTestLab({ hostnames: ['fails-releasing-1'] });
  await deploy();
  await lab.reached(M0, 'Deployed');
  for (const _ of [1, 2]) {
    expect(await lab.post(`machines/${M0}/?op=release`)).toMatchObject({
      status: 500,
      type: 'text/plain; charset=utf-8',
    });
    expect(JSON.parse((await lab.get(`machines/${M0}/`)).text)).toMatchObject({
      status_name: 'Deployed',
      owner: 'slipway',
      osystem: '',
    });
    expect(JSON.parse((await lab.get('machines/?agent_name=claim-1')).text)).toEqual([]);
  }
  expect((await lab.post(`machines/${M0}/?op=release`)).status).toBe(200);
  expect(await lab.statusOf(M0)).toBe('Ready');
});

test('loses-answers-… loses the first answer of each kind, with the work done', async () => {
  lab = await startTestLab({ hostnames: ['loses-answers-1'] });
  await expect(lab.post('machines/?op=allocate', { system_id: M0, agent_name: 'lost-1' })).rejects.toThrow();
  expect(JSON.parse((await lab.get('machines/?agent_name=lost-1')).text)).toMatchObject([
    { system_id: M0, status_name: 'Allocated' },
  ]);
  await expect(deploy()).rejects.toThrow();
  expect((await deploy()).status).toBe(409);
  expect(lab.history.map((entry) => entry.answer)).toEqual(['lost', 'lost', 'sent']);
});

test('slow-… takes five times as long', async () => {
  lab = await startTestLab({ hostnames: ['slow-1'] });
  await deploy();
  await waitUntil(() => lab.delays.length > 0, 'the deploy delay');
  const [delay] = lab.delays;
  expect((delay?.endMs ?? 0) - (delay?.startMs ?? 0)).toBeGreaterThanOrEqual(99);
});

test('a driver whose button does not work is a failed deployment with its words', async () => {
  lab = await startTestLab({ driver: deadDriver('the rack is on fire') });
  await deploy();
  await lab.reached(M0, 'Failed deployment');
  expect(JSON.parse((await lab.get(`machines/${M0}/`)).text).error_description).toBe('the rack is on fire');
});

test('erase passes through Disk erasing with owner and annotations kept', async () => {
  lab = await startTestLab();
  await deploy();
  await lab.reached(M0, 'Deployed');
  await lab.post(`machines/${M0}/?op=set_workload_annotations`, { a: 'b' });
  const answer = await lab.post(`machines/${M0}/?op=release`, { quick_erase: 'true' });
  expect(JSON.parse(answer.text)).toMatchObject({
    status_name: 'Disk erasing',
    owner: 'slipway',
    workload_annotations: { a: 'b' },
  });
  await lab.reached(M0, 'Ready');
});
