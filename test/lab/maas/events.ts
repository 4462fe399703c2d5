// The event log. A machine's `status_message` is the text of its last event, however old (maas.md §4).

import { ok } from '../../../shared/result.ts';
import { allOf, type Fields, lastOf } from './fields.ts';
import type { Machine } from './machine.ts';
import { badRequest, notModelled, type Outcome } from './refusal.ts';
import { appendBounded, nextId, type Region } from './region.ts';
import { maySee, type User } from './users-and-keys.ts';

export const LEVELS = { DEBUG: 10, INFO: 20, WARNING: 30, ERROR: 40, CRITICAL: 50, AUDIT: 0 } as const;
export type Level = keyof typeof LEVELS;

export type LabEvent = {
  readonly id: number;
  readonly machine: string;
  readonly level: Level;
  readonly type: string;
  readonly description: string;
  /** '' or the name of the action that MAAS took, such as `mark_failed`. */
  readonly action: string;
  readonly createdMs: number;
};

export function addEvent(region: Region, machine: Machine, type: string, description = '', action = ''): void {
  const event: LabEvent = {
    id: nextId(region, 'event'),
    machine: machine.systemId,
    level: action === 'mark_failed' ? 'ERROR' : 'INFO',
    type,
    description,
    action,
    createdMs: region.ports.now(),
  };
  appendBounded(region.events, event);
  region.lastEvents.set(machine.systemId, event);
}

/** What `status_message` and `status_action` show; null for a machine that nothing ever happened to. */
export function lastEventOf(region: Region, systemId: string): { message: string; action: string } | null {
  const event = region.lastEvents.get(systemId);
  if (!event) return null;
  return {
    message: event.description === '' ? event.type : `${event.type} - ${event.description}`,
    action: event.action,
  };
}

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;
const KNOWN = new Set(['op', 'id', 'hostname', 'level', 'limit', 'after', 'before']);

export type EventPage = { readonly events: LabEvent[]; readonly afterId: number; readonly beforeId: number };

/** `events/?op=query`: newest first; `after` and `before` are event ids. */
export function queryEvents(region: Region, caller: User, fields: Fields): Outcome<EventPage> {
  const unknown = [...fields.keys()].find((key) => !KNOWN.has(key));
  if (unknown !== undefined) return notModelled(`events query by ${unknown}`);
  const level = lastOf(fields, 'level') ?? 'INFO';
  if (!isLevel(level)) return badRequest(`Unrecognised log level: ${level}`);
  const limit = Number(lastOf(fields, 'limit') ?? LIMIT_DEFAULT);
  if (limit > LIMIT_MAX) return badRequest(`Requested number of events ${limit} is greater than limit: ${LIMIT_MAX}`);
  const after = Number(lastOf(fields, 'after') ?? 0);
  const before = Number(lastOf(fields, 'before') ?? Number.POSITIVE_INFINITY);
  const ids = new Set(allOf(fields, 'id'));
  const hostnames = new Set(allOf(fields, 'hostname'));
  const wanted = (event: LabEvent): boolean => {
    const machine = region.machines.get(event.machine);
    if (!machine || !maySee(caller, machine) || event.id <= after || event.id >= before) return false;
    if (LEVELS[event.level] < LEVELS[level]) return false;
    return (ids.size === 0 || ids.has(event.machine)) && (hostnames.size === 0 || hostnames.has(machine.hostname));
  };
  // Ids rise: what a poll asks for is the end of a log that may be long.
  const from = region.events.findLastIndex(({ id }) => id <= after) + 1;
  const found = region.events.slice(from).filter(wanted);
  // With `after` the page starts right after that event, else at the newest.
  const page = (lastOf(fields, 'after') === undefined ? found.slice(-limit) : found.slice(0, limit)).reverse();
  return ok({ events: page, afterId: page[0]?.id ?? after, beforeId: page.at(-1)?.id ?? after });
}

const isLevel = (value: string): value is Level => Object.hasOwn(LEVELS, value);
