// What allocate and the machine list understand: each parameter becomes a test of one machine, or a refusal in MAAS's words
// (maas.md §4, §5.1).

import { ok } from '../../../shared/result.ts';
import type { Fields } from './fields.ts';
import { pythonFloat } from './fields.ts';
import type { Machine } from './machine.ts';
import { crashed, invalid, notModelled, type Outcome } from './refusal.ts';
import type { Region } from './region.ts';
import { findSubnet } from './subnets.ts';

export type Test = (machine: Machine) => boolean;

/** A parsed parameter. `resolved` is how MAAS prints it inside "resolved to". */
export type Constraint = { readonly test: Test; readonly resolved: string | null };
export type ConstraintParser = (
  region: Region,
  values: readonly string[],
) => { ok: true; value: Constraint } | { ok: false; message: string };
export type ConstraintTable = { readonly [name: string]: ConstraintParser };

export type ParsedConstraints = { readonly tests: readonly Test[]; readonly resolved: ReadonlyMap<string, string> };

/** Parses all parameters; every wrong one is named in the refusal, as a Django form does. */
export function parseConstraints(
  region: Region,
  fields: Fields,
  table: ConstraintTable,
  skip: ReadonlySet<string>,
  unmodelled: ReadonlySet<string>,
): Outcome<ParsedConstraints> {
  const tests: Test[] = [];
  const resolved = new Map<string, string>();
  const errors: Record<string, string[]> = {};
  for (const [name, values] of fields) {
    if (skip.has(name)) continue;
    if (name === 'simple_status') return crashed(SIMPLE_STATUS);
    if (unmodelled.has(name)) return notModelled(`constraint ${name}`);
    const parser = Object.hasOwn(table, name) ? table[name] : undefined;
    const parsed = parser ? parser(region, values) : { ok: false as const, message: 'No such constraint.' };
    if (!parsed.ok) {
      errors[name] = [parsed.message];
      continue;
    }
    tests.push(parsed.value.test);
    if (parsed.value.resolved !== null) resolved.set(name, parsed.value.resolved);
  }
  return Object.keys(errors).length > 0 ? invalid(errors) : ok({ tests, resolved });
}

const yes = (test: Test, resolved: string | null = null) => ({ ok: true as const, value: { test, resolved } });
const refuse = (message: string) => ({ ok: false as const, message });

/** One of the values, or none of them when `wanted` is false. */
export const oneOf =
  (of: (machine: Machine) => string | null, wanted = true): ConstraintParser =>
  (_region, values) =>
    yes((machine) => values.includes(of(machine) ?? '') === wanted, values.join(','));

/** Only the last value counts, as in MAAS's allocate form (maas.md §4). */
export const lastOnly =
  (parser: ConstraintParser): ConstraintParser =>
  (region, values) =>
    parser(region, values.slice(-1));

export const minimum =
  (of: (machine: Machine) => number, message: string): ConstraintParser =>
  (_region, values) => {
    const least = Number(values.at(-1));
    return Number.isNaN(least) || values.at(-1) === ''
      ? refuse(message)
      : yes((machine) => of(machine) >= least, pythonFloat(least));
  };

export const inZone = (wanted: boolean): ConstraintParser =>
  named(
    'zone',
    (region) => region.zones,
    (machine) => machine.zone,
    wanted,
  );
export const inPool = (wanted: boolean): ConstraintParser =>
  named(
    'pool',
    (region) => region.pools,
    (machine) => machine.pool,
    wanted,
  );

function named(
  kind: string,
  known: (region: Region) => readonly { name: string }[],
  of: (machine: Machine) => string,
  wanted: boolean,
): ConstraintParser {
  return (region, values) => {
    const unknown = values.filter((value) => !known(region).some((one) => one.name === value));
    if (unknown.length > 0) return refuse(`No such ${kind}(s): ${unknown.join(', ')}.`);
    return yes((machine) => values.includes(of(machine)) === wanted, values.join(','));
  };
}

/** Commas, blanks and repetition all mean AND. */
export const withTags: ConstraintParser = (region, values) => {
  const tags = splitList(values);
  const unknown = tags.filter((tag) => !region.tags.some((known) => known.name === tag));
  if (unknown.length > 0) return refuse(`No such tag(s): ${unknown.map((tag) => `'${tag}'`).join(', ')}.`);
  return yes((machine) => tags.every((tag) => machine.tags.includes(tag)), tags.join(','));
};

/** None of the tags. Unknown tags are silently ignored: a typo here protects nothing (maas.md §5.1). */
export const withoutTags: ConstraintParser = (_region, values) => {
  const tags = splitList(values);
  return yes((machine) => !tags.some((tag) => machine.tags.includes(tag)), tags.join(','));
};

export const withArchitecture: ConstraintParser = (_region, values) => {
  const arch = values.at(-1) ?? '';
  if (!['amd64', 'amd64/generic'].includes(arch)) return refuse('Architecture not recognised.');
  return yes(() => true, arch);
};

export const withMac: ConstraintParser = (_region, values) => {
  const bad = values.find((value) => !/^([0-9a-fA-F]{1,2}[:-]){5}[0-9a-fA-F]{1,2}$/.test(value));
  if (bad !== undefined) return refuse(`'${bad}' is not a valid MAC address.`);
  const macs = values.map((value) => value.toLowerCase().replaceAll('-', ':'));
  return yes((machine) => macs.includes(machine.mac), macs.join(','));
};

/** Every machine of the lab has one interface, in the first subnet. */
export const onSubnet: ConstraintParser = (region, values) => {
  const found = values.map((value) => findSubnet(region, value.replace(/^(name|id|cidr|subnet):/, '')));
  const unknown = values.find((_, index) => found[index] === undefined);
  if (unknown !== undefined) return refuse(`No matching subnets found: ${unknown}.`);
  return yes(() => found.some((subnet) => subnet === region.subnets[0]), values.join(','));
};

export const splitList = (values: readonly string[]): string[] =>
  values.flatMap((value) => value.split(/[\s,]+/)).filter((part) => part !== '');

/** Django's answer to a filter that MAAS offers but cannot execute: a bug of 3.7.3 (maas.md §4). */
const SIMPLE_STATUS =
  "Cannot resolve keyword 'simple_status' into field. Choices are: address_ttl, agent_name, architecture, " +
  'bios_boot_method, bmc, bmc_id, boot_cluster_ip, boot_disk, boot_disk_id, boot_interface, boot_interface_id, ' +
  'bootresourcefilesync, children, connections, controllerinfo, cpu_count, cpu_speed, created, ' +
  'current_commissioning_script_set, current_commissioning_script_set_id, current_config, current_config_id, ' +
  'current_installation_script_set, current_installation_script_set_id, current_release_script_set, ' +
  'current_release_script_set_id, current_testing_script_set, current_testing_script_set_id, default_user, description, ' +
  'dhcpsnippet, discovery, distro_series, dns_process, dns_process_id, domain, domain_id, dynamic, enable_hw_sync, ' +
  'enable_kernel_crash_dump, enable_ssh, ephemeral_deploy, error, error_description, event, gateway_link_ipv4, ' +
  'gateway_link_ipv4_id, gateway_link_ipv6, gateway_link_ipv6_id, hardware_uuid, hostname, hwe_kernel, id, install_kvm, ' +
  'install_rackd, instance_power_parameters, is_dpu, last_applied_storage_layout, last_image_sync, last_sync, ' +
  'license_key, locked, managing_process, managing_process_id, memory, min_hwe_kernel, netboot, node_type, nodeconfig, ' +
  'nodekey, nodemetadata, nodeuserdata, numanode, osystem, owner, owner_id, ownerdata, parent, parent_id, podhints, pool, ' +
  'pool_id, power_state, power_state_queried, power_state_updated, previous_status, processes, rdns, register_vmhost, ' +
  'routable_bmc_relationships, routable_bmcs, scriptset, service, skip_networking, skip_storage, status, status_expires, ' +
  'swap_size, sync_interval, system_id, tags, updated, url, virtualmachine, zone, zone_id';
