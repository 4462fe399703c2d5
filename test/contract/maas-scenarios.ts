// The start state of every recorded scenario that needs one, and the scenarios that the lab does not model. The recordings
// hold no set-up (../shared/README.md); a scenario that is not in START starts on the site as it stands.

import type { Step } from './maas-rig.ts';
import {
  aborted,
  aliceInactive,
  allocated,
  annotated,
  bmcRefuses,
  broken,
  deployed,
  deploying,
  described,
  erased,
  failedDeployment,
  inStatus,
  locked,
  named,
  neverInstalled,
  newMachine,
  noMachines,
  noRackConnected,
  powerOffHangs,
  released,
  renumbered,
  repaired,
  reserved,
  settled,
  withKey,
  without,
  withRecord,
} from './maas-steps.ts';

const CLAIM_42 = { claim: '42', cluster: 'c-1' };
const CLAIM_42_PLANE = { ...CLAIM_42, plane_claim: '42' };

const releasingI3: Step[] = [
  powerOffHangs,
  allocated('i3', 'admin', 'plane-1/claim-77'),
  deployed('i3'),
  annotated('i3', { claim: '77' }),
  released('i3'),
];
const refusedI3: Step[] = [
  allocated('i3', 'admin', 'plane-1/claim-78'),
  deployed('i3'),
  annotated('i3', { claim: '78' }),
  bmcRefuses('i3'),
];
const erasingI2: Step[] = [deployed('i2', {}), released('i2', { erase: 'true' })];
const labelledW1: Step[] = [deployed('w1'), annotated('w1', CLAIM_42_PLANE)];
const renamedW1: Step[] = [...labelledW1, described('w1', 'used by plane', 'node-a')];
const brokenW1: Step[] = [deployed('w1'), broken('w1', 'disk dead')];
const mendedW3: Step[] = [allocated('w3'), broken('w3', 'bad nic'), repaired('w3')];
const allK8s: Step[] = [allocated('w1'), allocated('w2'), allocated('w3'), allocated('w4')];
const c1: Step = named('k8s-c1.lab.example', '10.10.0.70', 5, '30');
const vipC: Step = named('vipc.lab.example', '10.10.0.92', 14);

export const START: { readonly [scenario: string]: readonly Step[] } = {
  abort_allocated: [allocated('w3')],
  abort_deployed: [deployed('w1')],
  abort_deploying: [deploying('w3')],
  abort_disk_erasing: erasingI2,
  abort_while_releasing: releasingI3,

  op_in_body: [noMachines],
  allocate_broken: [allocated('w3'), broken('w3', 'bad nic')],
  allocate_by_system_id_w1: [neverInstalled('w1')],
  allocate_empty_body_no_ctype: [allocated('i1')],
  allocate_new_machine: [newMachine],
  allocate_race_pool_0: allK8s,
  allocate_race_pool_1: allK8s,
  allocate_twice_by_system_id_w1: [allocated('w1')],
  allocate_zone_az2_pool_k8s_tags: mendedW3,
  lost_response_find_by_agent_name: [allocated('i1', 'admin', 'lost-1')],
  lost_response_retry_by_constraint: [allocated('i1', 'admin', 'lost-1')],
  lost_response_retry_same_agent_name: [allocated('i1', 'admin', 'lost-1')],

  owner_data_set_deployed: [deployed('w1')],
  workload_annotations_set: [deployed('w1'), annotated('w1', CLAIM_42)],
  owner_data_set_new: [newMachine],

  account_delete_token: [withKey],
  account_list_tokens: [withKey],
  account_new_token_works: [withKey],
  auth_inactive_user: [aliceInactive],

  mark_broken_allocated: [allocated('w3')],
  mark_broken_deployed: labelledW1,
  mark_fixed: brokenW1,
  mark_fixed_broken: [allocated('w3'), broken('w3', 'bad nic')],

  admin_deploys_alices_machine: [allocated('w1', 'alice')],
  deploy_again_after_abort: [deploying('w3'), aborted('w3')],
  deploy_again_when_deployed: [deployed('w1')],
  deploy_again_when_failed: [failedDeployment('w2')],
  deploy_again_while_deploying: [deploying('w1')],
  deploy_from_commissioning: [inStatus('w3', 'Commissioning')],
  deploy_from_failed_testing: [inStatus('w3', 'Failed testing')],
  deploy_from_missing: [inStatus('w3', 'Missing')],
  deploy_from_rescue_mode: [inStatus('w3', 'Rescue mode')],
  deploy_from_retired: [inStatus('w3', 'Retired')],
  deploy_from_testing: [inStatus('w3', 'Testing')],
  deploy_install_rackd: [allocated('w1')],
  deploy_race_1: [deploying('w1')],
  deploy_unknown_hwe_kernel: [allocated('w1')],
  deploy_unknown_series: [allocated('w1')],
  deploy_while_releasing: releasingI3,

  domain_create: [without('domains', 'lab.example')],
  dnsresource_create_duplicate: [c1],
  dnsresource_create_reserved_ip: [reserved('10.10.0.61')],
  dnsresource_delete: [c1],
  dnsresource_filter_fqdn: [c1],
  dnsresource_get: [c1],
  dnsresource_update: [c1],
  dnsresources_after_reserve: [reserved('10.10.0.60', 'k8s-api')],
  dnsresources_list: [reserved('10.10.0.60', 'k8s-api'), reserved('10.10.0.61', 'api.lab.example')],
  dnsrr_create_cname_conflict: [c1],
  dnsrr_create_txt: [c1],
  dnsrr_list: [withRecord('k8s-c1.lab.example', 'TXT', 'owner=plane')],

  ipaddresses_admin_release_users_ip_force: [reserved('10.10.0.64', '', 'alice')],
  ipaddresses_list: [reserved('10.10.0.60'), reserved('10.20.0.5')],
  ipaddresses_list_after_dns: [reserved('10.10.0.61'), reserved('10.20.0.5'), named('e.lab.example', '203.0.113.9')],
  ipaddresses_list_alices_view: [reserved('10.10.0.60')],
  ipaddresses_nonadmin_release_admins: [reserved('10.10.0.61', 'api.lab.example')],
  ipaddresses_release: [reserved('10.10.0.60', 'vip1')],
  ipaddresses_release_discovered: [reserved('10.10.0.62')],
  ipaddresses_reserve_specific_again: [reserved('10.10.0.60', 'vip1')],
  vip_a2_dns_create: [reserved('10.10.0.90')],
  vip_a3_dns_delete: [reserved('10.10.0.90'), named('vipa.lab.example', '10.10.0.90', 12)],
  vip_b2_dns_of_named: [reserved('10.10.0.91', 'vipb.lab.example')],
  vip_b3_release: [reserved('10.10.0.91', 'vipb.lab.example')],
  vip_c2_dns_put: [vipC],
  vip_c3_old_ip_after_put: [vipC, renumbered(14, '10.10.0.93')],
  vip_c4_dns_delete: [vipC, renumbered(14, '10.10.0.93')],
  vip_d2_reserve_same_hostname: [reserved('10.10.0.94', 'vipd.lab.example')],
  vip_d3_dns: [reserved('10.10.0.94', 'vipd.lab.example'), reserved('10.10.0.95', 'vipd.lab.example')],

  machine_after_failed_deploys: [neverInstalled('w1'), allocated('w1')],
  machine_after_put: renamedW1,
  machine_delete: [newMachine],
  machine_get_after_abort: [deploying('w3'), aborted('w3')],
  machine_get_after_abort_erasing: [...erasingI2, aborted('i2')],
  machine_get_after_deploy_checkips_fails: [deploying('w2')],
  machine_get_after_deploy_no_rack: [deploying('w1')],
  machine_get_after_erase_done: [deployed('i1'), ...erased('i1')],
  machine_get_after_fixed: [...brokenW1, repaired('w1')],
  machine_get_after_release_deploying: [deploying('w4'), released('w4')],
  machine_get_after_release_failed: [failedDeployment('w2'), released('w2')],
  machine_get_after_release_manual: [deploying('w3'), aborted('w3'), released('w3')],
  machine_get_after_release_no_rack: [deployed('i3'), noRackConnected, released('i3')],
  machine_get_after_release_power_off_fails: [...refusedI3, released('i3')],
  machine_get_after_releasing: [deployed('i3'), released('i3'), settled],
  machine_get_broken: brokenW1,
  machine_get_deployed: [deployed('w1')],
  machine_get_deployed_ipmi: [deployed('i3')],
  machine_get_deploying: [deploying('w1')],
  machine_get_failed_deployment: [failedDeployment('w2')],
  machine_get_fixed: mendedW3,
  machine_get_releasing: releasingI3,
  machine_get_with_owner_data: labelledW1,
  machine_put_bad_zone: renamedW1,
  machine_put_description: labelledW1,
  machine_put_json_body: renamedW1,
  machines_filter_agent_name_after_failed_release: [...refusedI3, released('i3')],
  machines_filter_agent_name_hit: [allocated('w1', 'admin', 'plane-1/claim-42')],
  machines_filter_agent_name_while_releasing: releasingI3,
  machines_filter_owner_not: [allocated('w3'), allocated('w4')],
  machines_filter_status_releasing_names: [...mendedW3, allocated('w3')],
  machines_filter_system_id: [...mendedW3, allocated('w3')],
  machines_list_allocated_after: [allocated('w1')],
  machines_list_allocated_all: [allocated('w1'), allocated('w2'), allocated('i1'), allocated('i2')],
  machines_list_allocated_id_filter: [allocated('w1'), allocated('w2')],

  pool_create_infra: [without('pools', 'infra')],
  pool_create_k8s: [without('pools', 'k8s')],
  tag_create_gpu: [without('tags', 'gpu')],
  tag_create_ssd: [without('tags', 'ssd')],
  tag_machines: [allocated('w4')],
  x: [deployed('w2'), released('w2', { erase: 'true' }), aborted('w2'), released('w2')],
  zone_create_az1: [without('zones', 'az1')],

  lock_deployed: labelledW1,
  power_off_fails: [deployed('i3'), bmcRefuses('i3')],
  power_off_ipmi_deploying: [deployed('i1', {})],
  power_off_manual: labelledW1,
  query_power_no_rack: [noRackConnected],
  unlock_deployed: [...labelledW1, locked('w1')],

  bulk_release_mixed: [allocated('w1'), deploying('w2')],
  bulk_release_while_releasing: releasingI3,
  release_again_while_erasing: erasingI2,
  release_again_while_releasing: releasingI3,
  release_allocated_manual: [deploying('w3'), aborted('w3')],
  release_deploying: [deploying('w4')],
  release_erase_value_0: [deployed('w1')],
  release_erase_value_false: [deployed('w1')],
  release_erase_value_no: [deployed('w1')],
  release_erase_value_off: [deployed('w1')],
  release_erase_value_true: [deployed('w1')],
  release_failed_deployment: [failedDeployment('w2')],
  release_from_broken: [allocated('w3'), broken('w3', '')],
  release_from_commissioning: [inStatus('w3', 'Commissioning')],
  release_from_failed_disk_erasing: [deployed('w2'), released('w2', { erase: 'true' }), aborted('w2')],
  release_from_failed_releasing: [allocated('w3'), inStatus('w3', 'Releasing failed')],
  release_from_failed_testing: [inStatus('w3', 'Failed testing')],
  release_from_missing: [inStatus('w3', 'Missing')],
  release_from_rescue_mode: [inStatus('w3', 'Rescue mode')],
  release_from_reserved: [inStatus('w3', 'Reserved')],
  release_from_retired: [inStatus('w3', 'Retired')],
  release_from_testing: [inStatus('w3', 'Testing')],
  release_ipmi_powered_on: [deployed('i3'), annotated('i3', { claim: '77' })],
  release_locked: [...labelledW1, locked('w1')],
  release_multipart_bulk: [allocated('w3')],
  release_new_machine: [newMachine],
  release_no_rack: [deployed('i3'), noRackConnected],
  release_power_off_fails: refusedI3,
  release_quick_erase_only: [deployed('w1')],

  nonadmin_allocate_admins: [allocated('w2')],
  nonadmin_deploy_own: [allocated('w1', 'alice'), annotated('w1', { claim: '1' })],
  nonadmin_get_admins_machine: [allocated('w2')],
  nonadmin_mark_broken: [allocated('w1', 'alice'), deploying('w1')],
  nonadmin_power_off_own: [deploying('w1', {}, 'alice')],
  nonadmin_release_admins_machine: [allocated('w2')],
  nonadmin_release_own: [deploying('w1', {}, 'alice')],
  nonadmin_set_annotations: [allocated('w1', 'alice')],
};

/** Sent twice; the second answer counts. */
export const TWICE: ReadonlySet<string> = new Set(['auth_nonce_replayed']);

/** The region's clock, where the listed time is the request's own. */
export const CLOCK_SECONDS: { readonly [scenario: string]: number } = { auth_old_timestamp: 1_795_340_756 };
export const DEFAULT_CLOCK_SECONDS = 1_795_340_756;

const SITE_MAKING =
  'building a site (fabrics, spaces, VLANs, subnets, ranges) is not what the product does; the inventory holds it';

/** What the lab answers with a loud 501, and why. */
export const NOT_MODELLED: { readonly [scenario: string]: string } = {
  fabric_create: SITE_MAKING,
  fabrics_list: SITE_MAKING,
  space_create: SITE_MAKING,
  vlan_update_space: SITE_MAKING,
  subnet_create: SITE_MAKING,
  subnet2_create: SITE_MAKING,
  subnet_create_bad_cidr: SITE_MAKING,
  subnet_create_duplicate: SITE_MAKING,
  iprange_create_dynamic: SITE_MAKING,
  iprange_create_overlap: SITE_MAKING,
  iprange_create_reserved: SITE_MAKING,
  boot_sources_list: 'image sources are the MAAS administrator’s; the product reads boot-resources only',
  boot_resource_upload_small_custom: 'the product uploads no images; the inventory holds them',
  dnsresources_list_all: 'all=true mixes in names that MAAS derives from addresses; the product never asks for it',
  rackcontrollers_list: 'for administrators; the product reads no controllers',
};

/** What the lab models and answers a little differently, and why. */
export const DIFFERS: { readonly [scenario: string]: string } = {
  ipranges_list: 'recorded before the site had a rack controller; the lab’s always has one',
  boot_resources_list_before: 'one recorded row was made by MAAS’s test factory with random keys',
};
