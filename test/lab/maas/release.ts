// `op=release`, of one machine and of many: the answer waits for the power-off job, the status machine falls back when the
// BMC refuses, and what is forgotten is forgotten in two steps (maas.md §5.3–5.5).

import { ok } from '../../../shared/result.ts';
import { addEvent } from './events.ts';
import { allOf, type Fields, looseFlag } from './fields.ts';
import { type Machine, snapshot } from './machine.ts';
import { RELEASABLE } from './machine-status.ts';
import { switchOff, switchOffUnseen } from './power.ts';
import { badRequest, conflict, forbidden, type Outcome } from './refusal.ts';
import { delay, moveTo, type Region, timingsOf } from './region.ts';
import { mayEdit, randomText, type User } from './users-and-keys.ts';

type Answer<T> = (outcome: Outcome<T>) => void;

/** From Ready and Releasing a success that does nothing. May be repeated. */
export function release(region: Region, caller: User, machine: Machine, fields: Fields, answer: Answer<Machine>) {
  if (!mayRelease(caller, machine) || machine.locked) return answer(forbidden());
  if (machine.status === 'Ready' || machine.status === 'Releasing') return answer(ok(snapshot(machine)));
  if (!RELEASABLE.has(machine.status)) {
    return answer(conflict(`Machine cannot be released in its current state ('${machine.status}').`));
  }
  const erase = ['erase', 'secure_erase', 'quick_erase'].some((name) => looseFlag(fields, name));
  releaseChecked(region, machine, erase, answer);
}

/** All or nothing; `machines` repeated. Here Releasing is an error, unlike above. Answers the ids that were released. */
export function releaseMany(region: Region, caller: User, fields: Fields, answer: Answer<string[]>) {
  const ids = allOf(fields, 'machines');
  const machines = ids.flatMap((id) => region.machines.get(id) ?? []);
  const unknown = ids.filter((id) => !region.machines.has(id));
  if (unknown.length > 0) return answer(badRequest(`Unknown machine(s): ${unknown.join(', ')}.`));
  const others = machines.filter((machine) => !mayRelease(caller, machine) || machine.locked);
  if (others.length > 0) {
    const list = others.map((machine) => machine.systemId).join(', ');
    return answer(forbidden(`You don't have the required permission to release the following machine(s): ${list}.`));
  }
  const bad = machines.filter((machine) => machine.status !== 'Ready' && !RELEASABLE.has(machine.status));
  if (bad.length > 0) {
    const list = bad.map((machine) => `${machine.systemId} ('${machine.status}')`).join(', ');
    return answer(conflict(`Machine(s) cannot be released in their current state: ${list}.`));
  }
  const toRelease = machines.filter((machine) => machine.status !== 'Ready');
  if (toRelease.length === 0) return answer(ok([]));
  releaseAll(region, toRelease, answer);
}

function releaseAll(region: Region, machines: readonly Machine[], answer: Answer<string[]>): void {
  let waiting = machines.length;
  let failure: Outcome<never> | null = null;
  for (const machine of machines) {
    releaseChecked(region, machine, false, (outcome) => {
      if (!outcome.ok) failure ??= outcome;
      waiting -= 1;
      if (waiting === 0) answer(failure ?? ok(machines.map((released) => released.systemId)));
    });
  }
}

function releaseChecked(region: Region, machine: Machine, erase: boolean, answer: Answer<Machine>) {
  if (erase || region.config.get('enable_disk_erasing_on_release') === true)
    return startErasing(region, machine, answer);
  const before = machine.status;
  // Forgotten now, also when the power-off then fails (maas.md §5.4): agent_name and the installed system.
  machine.agentName = '';
  machine.osystem = '';
  machine.distroSeries = '';
  machine.hweKernel = null;
  machine.netboot = true;
  machine.layoutDropped = true;
  moveTo(region, machine, 'Releasing');
  addEvent(region, machine, 'Releasing');
  if (machine.powerType === 'manual' || machine.powerState === 'off') {
    switchOffUnseen(region, machine);
    finish(region, machine);
    return answer(ok({ ...snapshot(machine), bootDiskSeenAs: before }));
  }
  const shown = { ...snapshot(machine), bootDiskSeenAs: before };
  runPowerOff(region, machine, (outcome) => {
    if (outcome.ok) return answer(ok(shown));
    if (machine.status === 'Releasing') moveTo(region, machine, before);
    answer(outcome);
  });
}

/** Ends in Ready, or in `done` with a refusal, or in "Releasing failed" when the limit of MAAS passes first. */
function runPowerOff(region: Region, machine: Machine, done: Answer<null>): void {
  const { turn } = machine;
  let answered = false;
  const answerOnce: Answer<null> = (outcome) => {
    if (!answered) done(outcome);
    answered = true;
  };
  const cancelLimit = region.ports.schedule(timingsOf(region, machine).releasingLimitMs, () => {
    if (machine.turn !== turn) return;
    machine.errorDescription = "Node operation 'Releasing' timed out after 5 minutes.";
    addEvent(region, machine, 'Marking node failed', machine.errorDescription, 'mark_failed');
    moveTo(region, machine, 'Releasing failed');
    answerOnce(ok(null));
  });
  switchOff(region, machine, (outcome) => {
    cancelLimit();
    if (outcome.ok && machine.turn === turn) finish(region, machine);
    answerOnce(outcome);
  });
}

/** The machine boots a system that wipes its disks: owner, annotations, address and installed system stay meanwhile. */
function startErasing(region: Region, machine: Machine, answer: Answer<Machine>) {
  machine.agentName = '';
  moveTo(region, machine, 'Disk erasing');
  const { turn } = machine;
  answer(ok(snapshot(machine)));
  delay(region, machine, 'erase', timingsOf(region, machine).eraseMs, () => {
    if (machine.turn !== turn) return;
    moveTo(region, machine, 'Releasing');
    addEvent(region, machine, 'Releasing');
    if (machine.powerType === 'manual' || machine.powerState === 'off') {
      switchOffUnseen(region, machine);
      return finish(region, machine);
    }
    runPowerOff(region, machine, (outcome) => {
      if (!outcome.ok && machine.status === 'Releasing') moveTo(region, machine, 'Releasing failed');
    });
  });
}

/** Releasing → Ready: the owner, the annotations, the address and the machine's own token go. */
function finish(region: Region, machine: Machine): void {
  forgetOwner(region, machine);
  moveTo(region, machine, 'Ready');
  addEvent(region, machine, 'Released');
}

export function forgetOwner(region: Region, machine: Machine): void {
  machine.owner = null;
  machine.agentName = '';
  machine.annotations = {};
  machine.address = null;
  machine.userData = null;
  machine.ephemeral = false;
  machine.locked = false;
  machine.metadataOauth = {
    consumerKey: randomText(region, 18),
    tokenKey: randomText(region, 18),
    tokenSecret: randomText(region, 32),
  };
}

/** Nobody's machine may be "released" by anyone: a no-op when it is Ready, a conflict when it is New. */
const mayRelease = (caller: User, machine: Machine): boolean => mayEdit(caller, machine) || machine.owner === null;
