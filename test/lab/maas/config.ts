// Site settings, as `maas/?op=get_config` shows them. Only the names that a client of machines may care about have values.

import { ok } from '../../../shared/result.ts';
import { type Fields, lastOf } from './fields.ts';
import { badRequest, forAdmins, invalidBare, notModelled, type Outcome } from './refusal.ts';
import type { Region } from './region.ts';
import type { User } from './users-and-keys.ts';

const VALUES: readonly (readonly [string, unknown])[] = [
  ['maas_name', 'lab'],
  ['default_osystem', 'ubuntu'],
  ['default_distro_series', 'noble'],
  ['default_min_hwe_kernel', ''],
  ['commissioning_distro_series', 'noble'],
  ['default_storage_layout', 'flat'],
  ['enable_disk_erasing_on_release', false],
  ['disk_erase_with_secure_erase', false],
  ['disk_erase_with_quick_erase', false],
  ['node_timeout', 30],
  ['ntp_servers', ''],
  ['upstream_dns', ''],
  ['http_proxy', ''],
  ['enable_http_proxy', true],
  ['kernel_opts', ''],
  ['network_discovery', 'enabled'],
];

/** The setting names of MAAS 3.7.3, in the order in which it lists them. */
const SETTINGS =
  'maas_name, theme, kernel_opts, enable_http_proxy, maas_proxy_port, use_peer_proxy, prefer_v4_proxy, http_proxy, ' +
  'default_dns_ttl, upstream_dns, dnssec_validation, maas_internal_domain, dns_trusted_acl, ntp_servers, ' +
  'ntp_external_only, allow_only_trusted_transfers, remote_syslog, maas_syslog_port, network_discovery, ' +
  'active_discovery_interval, default_boot_interface_link_type, default_osystem, default_distro_series, ' +
  'default_min_hwe_kernel, enable_kernel_crash_dump, default_storage_layout, commissioning_distro_series, ' +
  'enable_third_party_drivers, windows_kms_host, enable_disk_erasing_on_release, disk_erase_with_secure_erase, ' +
  'disk_erase_with_quick_erase, boot_images_auto_import, boot_images_no_proxy, curtin_verbose, force_v1_network_yaml, ' +
  'enable_analytics, completed_intro, max_node_commissioning_results, max_node_testing_results, ' +
  'max_node_installation_results, max_node_release_results, subnet_ip_exhaustion_threshold_count, ' +
  'release_notifications, use_rack_proxy, node_timeout, prometheus_enabled, prometheus_push_gateway, ' +
  'prometheus_push_interval, promtail_enabled, promtail_port, enlist_commissioning, maas_auto_ipmi_user, ' +
  'maas_auto_ipmi_user_privilege_level, maas_auto_ipmi_k_g_bmc_key, maas_auto_ipmi_cipher_suite_id, ' +
  'maas_auto_ipmi_workaround_flags, vcenter_server, vcenter_username, vcenter_password, vcenter_datacenter, ' +
  'hardware_sync_interval, tls_cert_expiration_notification_enabled, tls_cert_expiration_notification_interval, ' +
  'session_length, auto_vlan_creation';

export const defaultConfig = (): Map<string, unknown> => new Map(VALUES);

export function getConfig(region: Region, fields: Fields): Outcome<unknown> {
  const name = lastOf(fields, 'name');
  if (name === undefined) return badRequest("No provided 'name'!");
  return region.config.has(name) ? ok(region.config.get(name)) : unknownSetting(name);
}

export function setConfig(region: Region, caller: User, fields: Fields): Outcome<null> {
  if (!caller.admin) return forAdmins();
  const name = lastOf(fields, 'name');
  if (name === undefined) return badRequest("No provided 'name'!");
  const before = region.config.get(name);
  if (before === undefined) return unknownSetting(name);
  const value = lastOf(fields, 'value') ?? '';
  if (typeof before === 'boolean') region.config.set(name, ['true', 'True', '1', 'on'].includes(value));
  else region.config.set(name, typeof before === 'number' ? Number(value) : value);
  return ok(null);
}

function unknownSetting(name: string): Outcome<never> {
  if (SETTINGS.split(', ').includes(name)) return notModelled(`setting ${name}`);
  return invalidBare({ [name]: [`${name} is not a valid config setting (valid settings are: ${SETTINGS}).`] });
}
