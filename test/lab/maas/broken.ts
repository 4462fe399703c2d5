// Quarantine: mark_broken releases the machine and keeps it from everyone, mark_fixed brings it back (maas.md §5.6).

import { ok } from '../../../shared/result.ts';
import { addEvent } from './events.ts';
import { type Fields, lastOf } from './fields.ts';
import { type Machine, snapshot } from './machine.ts';
import { mayBreak } from './machine-status.ts';
import { switchOffUnseen } from './power.ts';
import { conflict, forbidden, type Outcome } from './refusal.ts';
import { moveTo, type Region } from './region.ts';
import { forgetOwner } from './release.ts';
import type { User } from './users-and-keys.ts';

/** Only for the owner, even among admins. The machine loses owner, address and system at once. Not repeatable. */
export function markBroken(region: Region, caller: User, machine: Machine, fields: Fields): Outcome<Machine> {
  if (machine.owner !== caller.username || machine.locked) return forbidden();
  if (!mayBreak(machine.status)) {
    return conflict(`Can't mark a machine as broken in its current state ('${machine.status}').`);
  }
  machine.statusBeforeBroken = machine.status;
  machine.errorDescription = lastOf(fields, 'comment') ?? '';
  machine.osystem = '';
  machine.distroSeries = '';
  machine.hweKernel = null;
  machine.netboot = true;
  machine.layoutDropped = true;
  moveTo(region, machine, 'Broken');
  forgetOwner(region, machine);
  addEvent(region, machine, 'Releasing');
  addEvent(region, machine, 'Released');
  switchOffUnseen(region, machine);
  return ok({ ...snapshot(machine), bootDiskSeenAs: machine.statusBeforeBroken });
}

/** A machine that was Deployed comes back as Deployed with no owner: what 3.7 does, and unusable until released. */
export function markFixed(region: Region, caller: User, machine: Machine): Outcome<Machine> {
  if (!caller.admin) return forbidden();
  if (machine.status !== 'Broken') return conflict("Can't mark a non-broken node as 'Ready'.");
  moveTo(region, machine, machine.statusBeforeBroken === 'Deployed' ? 'Deployed' : 'Ready');
  machine.statusBeforeBroken = null;
  machine.errorDescription = '';
  machine.installationResultId = null;
  return ok({ ...snapshot(machine), bootDiskSeenAs: 'Broken' });
}
