// `GET machines/`: the filters of the machine list. Values of one key are OR, keys are AND (maas.md §4).

import { ok } from '../../../shared/result.ts';
import {
  type ConstraintParser,
  type ConstraintTable,
  inPool,
  inZone,
  minimum,
  oneOf,
  onSubnet,
  parseConstraints,
  withArchitecture,
  withMac,
  withoutTags,
  withTags,
} from './constraints.ts';
import { allOf, type Fields } from './fields.ts';
import type { Machine } from './machine.ts';
import { STATUSES, statusOfFilter } from './machine-status.ts';
import type { Outcome } from './refusal.ts';
import type { Region } from './region.ts';
import { maySee, type User } from './users-and-keys.ts';

const status =
  (wanted: boolean): ConstraintParser =>
  (_region, values) => {
    const unknown = values.find((value) => statusOfFilter(value) === undefined);
    if (unknown !== undefined) {
      return { ok: false, message: `Select a valid choice. ${unknown} is not one of the available choices.` };
    }
    return {
      ok: true,
      value: { test: (machine) => values.includes(STATUSES[machine.status].filter) === wanted, resolved: null },
    };
  };

const FILTERS: ConstraintTable = {
  id: oneOf((machine) => machine.systemId),
  system_id: oneOf((machine) => machine.systemId),
  hostname: oneOf((machine) => machine.hostname),
  domain: oneOf((machine) => machine.domain),
  mac_address: withMac,
  zone: inZone(true),
  not_in_zone: inZone(false),
  pool: inPool(true),
  not_in_pool: inPool(false),
  tags: withTags,
  not_tags: withoutTags,
  agent_name: oneOf((machine) => machine.agentName),
  not_agent_name: oneOf((machine) => machine.agentName, false),
  owner: oneOf((machine) => machine.owner),
  not_owner: oneOf((machine) => machine.owner, false),
  status: status(true),
  not_status: status(false),
  power_state: oneOf((machine) => machine.powerState),
  arch: withArchitecture,
  cpu_count: minimum((machine) => machine.cpuCount, 'Invalid CPU count: number required.'),
  mem: minimum((machine) => machine.memoryMiB, 'Invalid memory: number of MiB required.'),
  subnets: onSubnet,
};

const UNMODELLED = new Set(
  'not_id not_system_id not_hostname not_domain not_mac_address not_arch cpu_speed not_cpu_speed not_cpu_count not_mem ' +
    'fabrics not_fabrics fabric_classes not_fabric_classes vlans not_vlans not_subnets link_speed storage interfaces ' +
    'devices connected_to not_connected_to pod not_pod pod_type not_pod_type parent is_dpu osystem not_osystem ' +
    'distro_series not_distro_series power_type'.split(' '),
);
const NOT_FILTERS = new Set(['op']);

/** The machines that the caller may see and that pass every filter, in the order in which they were made. */
export function listMachines(region: Region, caller: User, fields: Fields): Outcome<Machine[]> {
  const parsed = parseConstraints(region, fields, FILTERS, NOT_FILTERS, UNMODELLED);
  if (!parsed.ok) return parsed;
  const { tests } = parsed.value;
  return ok(
    [...region.machines.values()].filter((machine) => maySee(caller, machine) && tests.every((test) => test(machine))),
  );
}

/** `op=list_allocated`: only the caller's machines in status Allocated, not Deploying or Deployed. */
export function listAllocated(region: Region, caller: User, fields: Fields): Machine[] {
  const ids = allOf(fields, 'id');
  return [...region.machines.values()].filter(
    (machine) =>
      machine.status === 'Allocated' &&
      machine.owner === caller.username &&
      (ids.length === 0 || ids.includes(machine.systemId)),
  );
}
