// `op=abort`: stops a deployment or an erasing. The answer still shows the old status (maas.md §5.2).

import { ok } from '../../../shared/result.ts';
import { addEvent } from './events.ts';
import { type Machine, snapshot } from './machine.ts';
import { switchOffUnseen } from './power.ts';
import { conflict, forbidden, notModelled, type Outcome } from './refusal.ts';
import { moveTo, type Region } from './region.ts';
import { mayEdit, type User } from './users-and-keys.ts';

const UNMODELLED: ReadonlySet<string> = new Set([
  'Commissioning',
  'Testing',
  'Entering rescue mode',
  'Exiting rescue mode',
]);

/** Deploying → Allocated, with owner, address and chosen system kept. Disk erasing → Failed disk erasing. */
export function abort(region: Region, caller: User, machine: Machine): Outcome<Machine> {
  if (machine.owner !== null && !mayEdit(caller, machine)) return forbidden();
  if (machine.locked) return forbidden();
  const deploying = machine.status === 'Deploying';
  if (!deploying && machine.status !== 'Disk erasing') {
    if (UNMODELLED.has(machine.status)) return notModelled(`abort of ${machine.status}`);
    return conflict(`Cannot abort in current state: node ${machine.systemId} is in state ${machine.status}.`);
  }
  addEvent(region, machine, deploying ? 'Aborted deployment' : 'Aborted disk erasing');
  const shown = snapshot(machine);
  moveTo(region, machine, deploying ? 'Allocated' : 'Failed disk erasing');
  switchOffUnseen(region, machine);
  return ok(shown);
}
