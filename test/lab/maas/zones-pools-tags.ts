// The three ways MAAS groups machines: one zone and one pool each, any number of tags.

import { ok } from '../../../shared/result.ts';
import { allOf, type Fields, lastOf } from './fields.ts';
import { badRequest, forAdmins, forbidden, invalid, noMatch, type Outcome } from './refusal.ts';
import { nextId, type Region } from './region.ts';
import type { User } from './users-and-keys.ts';

export type Zone = { readonly id: number; readonly name: string; readonly description: string };
export type Pool = { readonly id: number; readonly name: string; readonly description: string };
export type Tag = { readonly name: string; readonly comment: string; readonly kernelOptions: string };

const NAME = /^[a-zA-Z0-9]([-a-zA-Z0-9_. ]*[a-zA-Z0-9])?$/;
const TAG_NAME = /^[\w.-]+$/;

export function addZone(region: Region, name: string, description: string): Zone {
  const zone = { id: nextId(region, 'zone'), name, description };
  region.zones.push(zone);
  return zone;
}

/** The default pool has id 0 (maas.md §8). */
export function addPool(region: Region, name: string, description: string): Pool {
  const pool = { id: nextId(region, 'pool') - 1, name, description };
  region.pools.push(pool);
  return pool;
}

export function addTag(region: Region, name: string, comment: string): Tag {
  const tag = { name, comment, kernelOptions: '' };
  region.tags.push(tag);
  return tag;
}

export function createZone(region: Region, caller: User, fields: Fields): Outcome<Zone> {
  if (!caller.admin) return forAdmins();
  const name = checkedName(fields, NAME, 'Physical zone', region.zones);
  return name.ok ? ok(addZone(region, name.value, lastOf(fields, 'description') ?? '')) : name;
}

export function createPool(region: Region, caller: User, fields: Fields): Outcome<Pool> {
  if (!caller.admin) return forbidden();
  const name = checkedName(fields, NAME, 'Resource pool', region.pools);
  return name.ok ? ok(addPool(region, name.value, lastOf(fields, 'description') ?? '')) : name;
}

export function createTag(region: Region, caller: User, fields: Fields): Outcome<Tag> {
  if (!caller.admin) return forbidden();
  const name = checkedName(fields, TAG_NAME, 'Tag', region.tags);
  return name.ok ? ok(addTag(region, name.value, lastOf(fields, 'comment') ?? '')) : name;
}

export function zoneNamed(region: Region, name: string): Outcome<Zone> {
  const zone = region.zones.find((candidate) => candidate.name === name);
  return zone ? ok(zone) : noMatch('Zone');
}

export function poolById(region: Region, id: string): Outcome<Pool> {
  const pool = region.pools.find((candidate) => String(candidate.id) === id);
  return pool ? ok(pool) : noMatch('ResourcePool');
}

export function tagNamed(region: Region, name: string): Outcome<Tag> {
  const tag = region.tags.find((candidate) => candidate.name === name);
  return tag ? ok(tag) : noMatch('Tag');
}

export function deleteZone(region: Region, caller: User, name: string): Outcome<null> {
  if (!caller.admin) return forAdmins();
  if (name === 'default') return badRequest('This zone is the default zone, it cannot be deleted.');
  const index = region.zones.findIndex((zone) => zone.name === name);
  // MAAS answers a repeated delete of a zone like the first one.
  if (index >= 0) region.zones.splice(index, 1);
  for (const machine of region.machines.values()) if (machine.zone === name) machine.zone = 'default';
  return ok(null);
}

export function deleteTag(region: Region, caller: User, name: string): Outcome<null> {
  if (!caller.admin) return forbidden();
  const index = region.tags.findIndex((tag) => tag.name === name);
  if (index < 0) return noMatch('Tag');
  region.tags.splice(index, 1);
  for (const machine of region.machines.values()) machine.tags = machine.tags.filter((tag) => tag !== name);
  return ok(null);
}

/** `tags/{name}/?op=update_nodes`: unknown machines silently count for nothing (maas.md §8). */
export function updateTagged(
  region: Region,
  caller: User,
  name: string,
  fields: Fields,
): Outcome<{ added: number; removed: number }> {
  const tag = tagNamed(region, name);
  if (!tag.ok) return tag;
  if (!caller.admin) return forbidden();
  let [added, removed] = [0, 0];
  for (const systemId of allOf(fields, 'add')) {
    const machine = region.machines.get(systemId);
    if (!machine || machine.tags.includes(name)) continue;
    machine.tags.push(name);
    added += 1;
  }
  for (const systemId of allOf(fields, 'remove')) {
    const machine = region.machines.get(systemId);
    if (!machine?.tags.includes(name)) continue;
    machine.tags = machine.tags.filter((other) => other !== name);
    removed += 1;
  }
  return ok({ added, removed });
}

function checkedName(
  fields: Fields,
  allowed: RegExp,
  kind: string,
  taken: readonly { name: string }[],
): Outcome<string> {
  const name = lastOf(fields, 'name');
  if (name === undefined || name === '') return invalid({ name: ['This field is required.'] });
  if (!allowed.test(name)) return invalid({ name: ['Enter a valid value.'] });
  if (taken.some((other) => other.name === name)) return invalid({ name: [`${kind} with this Name already exists.`] });
  return ok(name);
}
