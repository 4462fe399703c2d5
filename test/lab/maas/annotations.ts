// Workload annotations: labels that a user may put on a machine while owning it (maas.md §6).

import { ok } from '../../../shared/result.ts';
import { type Fields, lastOf } from './fields.ts';
import { type Machine, snapshot } from './machine.ts';
import { conflict, crashed, forbidden, type Outcome } from './refusal.ts';
import { mayEdit, type User } from './users-and-keys.ts';

const KEY = /^[\w.-]+$/;

/** Sets the given ones, deletes those given empty, leaves the others. May be repeated. */
export function setAnnotations(caller: User, machine: Machine, fields: Fields): Outcome<Machine> {
  if (machine.owner !== null && !mayEdit(caller, machine)) return forbidden();
  if (machine.locked) return forbidden();
  if (machine.owner === null) return conflict("Cannot set workload annotation: it hasn't been acquired.");
  const bad = [...fields.keys()].find((key) => key !== 'op' && !KEY.test(key));
  if (bad !== undefined) return crashed(`Invalid character in key name: ${bad}`);
  for (const key of fields.keys()) {
    if (key === 'op') continue;
    const value = lastOf(fields, key) ?? '';
    if (value === '') delete machine.annotations[key];
    else machine.annotations[key] = value;
  }
  return ok(snapshot(machine));
}
