// The region model alone, on a clock that stands still: what a simulator will drive.

import { expect, test } from 'vitest';
import { manualClock } from '../lab/clock.ts';
import { defaultInventory } from '../lab/inventory.ts';
import { abort } from '../lab/maas/abort.ts';
import { userDataFetched } from '../lab/maas/boot.ts';
import { markBroken, markFixed } from '../lab/maas/broken.ts';
import { deploy } from '../lab/maas/deploy.ts';
import { fieldsFrom } from '../lab/maas/fields.ts';
import type { Machine } from '../lab/maas/machine.ts';
import type { Outcome } from '../lab/maas/refusal.ts';
import { createRegion, type PowerDone } from '../lab/maas/region.ts';
import { release } from '../lab/maas/release.ts';
import { addUser } from '../lab/maas/users-and-keys.ts';

const fields = (given: Record<string, string> = {}) => fieldsFrom(Object.entries(given));

function site(hostname = 'node-1') {
  const clock = manualClock(1_000_000);
  const pressed: string[] = [];
  const press = (name: string) => (_order: unknown, done: PowerDone) => {
    pressed.push(name);
    done({ ok: true });
  };
  const region = createRegion(
    defaultInventory({
      machines: 1,
      hostnames: [hostname],
      timings: { deployMs: 1_000, releaseMs: 2_000, eraseMs: 4_000, nodeTimeoutMs: 60_000 },
    }),
    {
      ...clock,
      random: () => 0.5,
      power: { on: press('on'), off: press('off') },
    },
  );
  const [machine] = region.machines.values();
  if (!machine) throw new Error('the inventory has one machine');
  const owner = addUser(region, 'owner', { admin: false });
  const admin = addUser(region, 'boss', { admin: true });
  const deployed = (): void => {
    deploy(region, owner, machine, fields());
    clock.advance(1_000);
    userDataFetched(region, machine);
  };
  const released = (given: Record<string, string> = {}) => {
    const answers: Outcome<Machine>[] = [];
    release(region, owner, machine, fields(given), (outcome) => answers.push(outcome));
    return answers;
  };
  return { clock, region, machine, owner, admin, pressed, deployed, released };
}

test('the button is pressed when the image is written, and user-data makes it Deployed', () => {
  const { clock, region, machine, owner, pressed } = site();
  deploy(region, owner, machine, fields());
  clock.advance(999);
  expect(pressed).toEqual([]);
  clock.advance(1);
  expect(pressed).toEqual(['on']);
  expect(machine.status).toBe('Deploying');
  userDataFetched(region, machine);
  expect(machine.status).toBe('Deployed');
});

test('a machine that never asks for its user-data fails when the node timeout ends', () => {
  const { clock, region, machine, owner } = site();
  deploy(region, owner, machine, fields());
  clock.advance(60_999);
  expect(machine.status).toBe('Deploying');
  clock.advance(1);
  expect(machine.status).toBe('Failed deployment');
});

test('an aborted deployment leaves it Allocated, and the old timer does not touch the next one', () => {
  const { clock, region, machine, owner, pressed } = site();
  deploy(region, owner, machine, fields());
  const address = machine.address;
  clock.advance(500);
  const answer = abort(region, owner, machine);
  expect(answer.ok && answer.value.status).toBe('Deploying');
  expect(machine).toMatchObject({ status: 'Allocated', owner: 'owner', address });
  deploy(region, owner, machine, fields());
  clock.advance(500);
  expect(pressed).toEqual(['off']);
  clock.advance(500);
  expect(pressed).toEqual(['off', 'on']);
});

test('the answer to a release waits for the power-off job and still says Releasing', () => {
  const { clock, machine, deployed, released } = site();
  deployed();
  const answers = released();
  expect(machine).toMatchObject({ status: 'Releasing', owner: 'owner', agentName: '', osystem: '' });
  clock.advance(1_999);
  expect(answers).toEqual([]);
  clock.advance(1);
  expect(answers.map((answer) => answer.ok && answer.value.status)).toEqual(['Releasing']);
  expect(machine).toMatchObject({ status: 'Ready', owner: null, address: null });
});

test('an Allocated machine that is off is released at once', () => {
  const { machine, region, owner, released } = site();
  deploy(region, owner, machine, fields());
  abort(region, owner, machine);
  expect(released().map((answer) => answer.ok && answer.value.status)).toEqual(['Ready']);
});

test('a power-off that takes longer than five minutes ends in "Releasing failed", and a second release mends it', () => {
  const { clock, region, machine, deployed, released } = site();
  deployed();
  const stuck: PowerDone[] = [];
  Object.assign(region.ports.power, { off: (_id: string, done: PowerDone) => stuck.push(done) });
  const answers = released();
  clock.advance(300_000);
  expect(machine.status).toBe('Releasing failed');
  expect(answers).toHaveLength(1);
  // The job that ends late changes nothing, and answers nobody twice.
  for (const done of stuck) done({ ok: true });
  expect(machine.status).toBe('Releasing failed');
  expect(answers).toHaveLength(1);
  released();
  expect(machine.status).toBe('Ready');
});

test.each(['0', 'no', 'off', 'banana', 'true'])('erase=%s erases', (value) => {
  const { machine, deployed, released } = site();
  deployed();
  released({ erase: value });
  expect(machine.status).toBe('Disk erasing');
});

test.each([{ erase: 'false' }, { erase: '' }, {}])('%j does not erase', (given) => {
  const { machine, deployed, released } = site();
  deployed();
  released(given);
  expect(machine.status).toBe('Releasing');
});

test('an aborted erasing is Failed disk erasing, and a plain release mends it', () => {
  const { clock, region, machine, owner, deployed, released } = site();
  deployed();
  released({ erase: 'true' });
  abort(region, owner, machine);
  expect(machine).toMatchObject({ status: 'Failed disk erasing', owner: 'owner' });
  clock.advance(4_000);
  expect(machine.status).toBe('Failed disk erasing');
  released();
  expect(machine.status).toBe('Ready');
});

test('mark_broken frees the machine at once; mark_fixed of a Deployed one brings back a Deployed nobody owns', () => {
  const { region, machine, owner, admin, deployed } = site();
  deployed();
  expect(markBroken(region, admin, machine, fields()).ok).toBe(false);
  expect(markBroken(region, owner, machine, fields({ comment: 'bad disk' })).ok).toBe(true);
  expect(machine).toMatchObject({ status: 'Broken', owner: null, address: null, errorDescription: 'bad disk' });
  markFixed(region, admin, machine);
  expect(machine).toMatchObject({ status: 'Deployed', owner: null });
});

test('the log of transitions holds every move in order, with the owner at that moment', () => {
  const { clock, region, deployed, released } = site();
  deployed();
  released();
  clock.advance(2_000);
  expect(region.transitions.map(({ from, to, owner }) => `${from} > ${to} (${owner})`)).toEqual([
    'Ready > Allocated (owner)',
    'Allocated > Deploying (owner)',
    'Deploying > Deployed (owner)',
    'Deployed > Releasing (owner)',
    'Releasing > Ready (null)',
  ]);
});

test('a machine released before its image is written is never switched on', () => {
  const { clock, region, machine, owner, pressed, released } = site();
  deploy(region, owner, machine, fields());
  clock.advance(500);
  released();
  expect(machine.status).toBe('Ready');
  clock.advance(60_000);
  expect(pressed).toEqual(['off']);
});

test('a deploy for which no address is left fails by itself', () => {
  const { region, machine, owner } = site();
  region.subnets.length = 0;
  Object.assign(machine, { homeAddress: null });
  expect(deploy(region, owner, machine, fields()).ok).toBe(true);
  expect(machine).toMatchObject({ status: 'Failed deployment', owner: 'owner', address: null });
});
