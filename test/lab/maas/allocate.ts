// `machines/?op=allocate`: MAAS's one call that must not be repeated blindly (maas.md §5.1, §6).

import { ok } from '../../../shared/result.ts';
import {
  type ConstraintTable,
  inPool,
  inZone,
  lastOnly,
  minimum,
  oneOf,
  onSubnet,
  parseConstraints,
  withArchitecture,
  withoutTags,
  withTags,
} from './constraints.ts';
import { type Fields, lastOf, pythonPairs } from './fields.ts';
import { type Machine, snapshot } from './machine.ts';
import { badRequest, conflict, invalid, invalidBare, notModelled, type Outcome } from './refusal.ts';
import { moveTo, type Region } from './region.ts';
import { matchStorage, parseStorage, type StorageMatch } from './storage-constraint.ts';
import type { User } from './users-and-keys.ts';

/** `storage` is null when the call asked for none. */
export type Allocation = {
  readonly machine: Machine;
  readonly storage: StorageMatch | null;
  readonly verbose: boolean;
};

const CONSTRAINTS: ConstraintTable = {
  name: lastOnly(oneOf((machine) => machine.hostname)),
  system_id: lastOnly(oneOf((machine) => machine.systemId)),
  arch: withArchitecture,
  cpu_count: minimum((machine) => machine.cpuCount, 'Invalid CPU count: number required.'),
  mem: minimum((machine) => machine.memoryMiB, 'Invalid memory: number of MiB required.'),
  tags: withTags,
  not_tags: withoutTags,
  zone: lastOnly(inZone(true)),
  not_in_zone: inZone(false),
  pool: lastOnly(inPool(true)),
  not_in_pool: inPool(false),
  subnets: onSubnet,
};

const NOT_CONSTRAINTS = new Set([
  'op',
  'agent_name',
  'comment',
  'dry_run',
  'verbose',
  'storage',
  'interfaces',
  'bridge_all',
  'bridge_stp',
  'bridge_fd',
  'bridge_type',
]);
const UNMODELLED = new Set(
  'not_subnets not_networks networks vlans not_vlans fabrics not_fabrics fabric_classes not_fabric_classes connected_to not_connected_to pod not_pod pod_type not_pod_type devices'.split(
    ' ',
  ),
);
const AGENT_NAME_LENGTH_MAX = 255;

/** Takes the cheapest Ready machine that passes. With `dry_run=true` nothing changes. Not repeatable. */
export function allocate(region: Region, caller: User, fields: Fields): Outcome<Allocation> {
  const dryRun = strictFlag(fields, 'dry_run');
  if (!dryRun.ok) return dryRun;
  const verbose = strictFlag(fields, 'verbose');
  if (!verbose.ok) return verbose;
  const found = findMachine(region, fields);
  if (!found.ok) return found;
  const { machine, storage } = found.value;
  if (dryRun.value) return ok({ machine: snapshot(machine), storage, verbose: verbose.value });
  const agentName = lastOf(fields, 'agent_name') ?? '';
  if (agentName.length > AGENT_NAME_LENGTH_MAX) return agentNameTooLong(agentName);
  acquire(region, caller, machine, agentName);
  return ok({ machine: snapshot(machine), storage, verbose: verbose.value });
}

/** Ready → Allocated, as allocate does it and as deploying a Ready machine does it. */
export function acquire(region: Region, caller: User, machine: Machine, agentName: string): void {
  machine.owner = caller.username;
  machine.agentName = agentName;
  machine.layoutDropped = false;
  moveTo(region, machine, 'Allocated');
}

export const agentNameTooLong = (agentName: string): Outcome<never> =>
  invalidBare({
    agent_name: [`Ensure this value has at most ${AGENT_NAME_LENGTH_MAX} characters (it has ${agentName.length}).`],
  });

type Found = { machine: Machine; storage: StorageMatch | null };

function findMachine(region: Region, fields: Fields): Outcome<Found> {
  const interfaces = checkInterfaces(fields);
  if (!interfaces.ok) return interfaces;
  const storageText = lastOf(fields, 'storage');
  const wishes = storageText === undefined ? null : parseStorage(storageText);
  if (storageText !== undefined && wishes === null)
    return invalid({ storage: [`Malformed storage constraint, "${storageText}".`] });
  const parsed = parseConstraints(region, fields, CONSTRAINTS, NOT_CONSTRAINTS, UNMODELLED);
  if (!parsed.ok) return parsed;
  const cheapest = [...region.machines.values()]
    .filter(
      (machine) => machine.status === 'Ready' && !machine.locked && parsed.value.tests.every((test) => test(machine)),
    )
    .sort((a, b) => costOf(a) - costOf(b));
  for (const machine of cheapest) {
    if (wishes === null) return ok({ machine, storage: null });
    const storage = matchStorage(machine, wishes);
    if (storage) return ok({ machine, storage });
  }
  const resolved = new Map(parsed.value.resolved);
  if (storageText !== undefined) resolved.set('storage', storageText);
  return conflict(noMachineText(fields, resolved));
}

/** MAAS orders by this, cheapest first; ties are left open there, here the older machine wins. */
const costOf = (machine: Machine): number => machine.cpuCount + machine.memoryMiB / 1_024;

function noMachineText(fields: Fields, resolved: ReadonlyMap<string, string>): string {
  const systemId = lastOf(fields, 'system_id');
  if (systemId !== undefined) return `No machine with system ID ${systemId} available.`;
  if (resolved.size === 0) return 'No machine available.';
  const given = pythonPairs([...fields].filter(([name]) => name !== 'op'));
  const meaning = [...resolved].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name}=${value}`);
  return `No available machine matches constraints: ${given} (resolved to "${meaning.join(' ')}")`;
}

function checkInterfaces(fields: Fields): Outcome<null> {
  const text = lastOf(fields, 'interfaces');
  if (text === undefined) return ok(null);
  if (/^[^:=]+:[^:=]+=/.test(text)) return notModelled('constraint interfaces');
  return invalid({
    interfaces: [`Malformed constraint: '${text}' (required format: '<label>:<key>=<value>[,<key2>=<value2>[,...]]')`],
  });
}

function strictFlag(fields: Fields, name: string): Outcome<boolean> {
  const value = lastOf(fields, name);
  if (value === undefined || value === '' || value === 'false') return ok(false);
  return value === 'true' ? ok(true) : badRequest(`Invalid ${name}: Value should be 'true' or 'false'`);
}
