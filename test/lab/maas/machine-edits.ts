// Making, changing and removing machine records: for admins only, so Slipway itself never needs it (maas.md §3).

import { ok } from '../../../shared/result.ts';
import { type Fields, lastOf } from './fields.ts';
import { blankMachine, type Machine, snapshot } from './machine.ts';
import { forbidden, invalid, noMatch, notModelled, type Outcome } from './refusal.ts';
import type { Region } from './region.ts';
import { maySee, randomText, type User } from './users-and-keys.ts';

const EDITABLE = new Set(['op', 'description', 'hostname', 'zone', 'pool']);
const CREATABLE = new Set(['op', 'hostname', 'architecture', 'mac_addresses', 'power_type', 'commission']);
const BAD_CHOICE = 'Select a valid choice. That choice is not one of the available choices.';
const ID_LETTERS = 'abcdefghkmnpqrstwxy346789';

/** A machine that the caller may look at; another's is there, but forbidden. */
export function machineFor(region: Region, caller: User, systemId: string): Outcome<Machine> {
  const machine = region.machines.get(systemId);
  if (!machine) return noMatch('Machine');
  return maySee(caller, machine) ? ok(machine) : forbidden();
}

export function updateMachine(region: Region, caller: User, machine: Machine, fields: Fields): Outcome<Machine> {
  if (!caller.admin || machine.locked) return forbidden();
  const unknown = [...fields.keys()].find((key) => !EDITABLE.has(key));
  if (unknown !== undefined) return notModelled(`PUT machine with ${unknown}`);
  const [zone, pool] = [lastOf(fields, 'zone'), lastOf(fields, 'pool')];
  if (zone !== undefined && !region.zones.some((one) => one.name === zone)) return invalid({ zone: [BAD_CHOICE] });
  if (pool !== undefined && !region.pools.some((one) => one.name === pool)) return invalid({ pool: [BAD_CHOICE] });
  machine.zone = zone ?? machine.zone;
  machine.pool = pool ?? machine.pool;
  machine.description = lastOf(fields, 'description') ?? machine.description;
  machine.hostname = lastOf(fields, 'hostname') ?? machine.hostname;
  return ok(snapshot(machine));
}

/** Only the form that leaves it New: nothing in the lab commissions machines. */
export function createMachine(region: Region, caller: User, fields: Fields): Outcome<Machine> {
  if (!caller.admin) return notModelled('enlistment of a machine by a plain user');
  const unknown = [...fields.keys()].find((key) => !CREATABLE.has(key));
  if (unknown !== undefined) return notModelled(`POST machines with ${unknown}`);
  const architecture = lastOf(fields, 'architecture') ?? '';
  if (!['amd64', 'amd64/generic'].includes(architecture)) {
    const full = architecture.includes('/') ? architecture : `${architecture}/generic`;
    return invalid({ architecture: [`'${full}' is not a valid architecture.  It should be one of: 'amd64/generic'.`] });
  }
  if (lastOf(fields, 'commission') !== 'false' || lastOf(fields, 'power_type') !== 'manual') {
    return notModelled('POST machines other than power_type=manual and commission=false');
  }
  const systemId = randomText(region, 6, ID_LETTERS);
  const hostname = lastOf(fields, 'hostname') ?? `lab-${systemId}`;
  const machine = blankMachine(region, systemId, hostname, lastOf(fields, 'mac_addresses') ?? '');
  machine.minHweKernel = '';
  region.machines.set(systemId, machine);
  return ok(machine);
}

export function deleteMachine(region: Region, caller: User, machine: Machine): Outcome<null> {
  if (!caller.admin || machine.locked) return forbidden();
  region.machines.delete(machine.systemId);
  return ok(null);
}
