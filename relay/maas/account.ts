// Whether a MAAS account works and what it may do (features A3). Reads only: validating must not leave a trace.
import { z } from 'zod';
import type { AccountFacts } from '../../shared/inventory.ts';
import type { MaasFailure } from '../../shared/maas-failure.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { MaasClient } from './client.ts';
import { readDomains, readImages, readNames } from './inventory.ts';
import { listMachines } from './machines.ts';

/** Workload annotations, half of our claim, came with 3.0 (maas.md §10). */
const MAAS_MAJOR_MIN = 3;
/** Recorded as denied to plain users; Slipway works without them. */
export const ADMIN_ONLY = [
  'dnsresources.create',
  'machines.update',
  'machines.power-parameters',
  'tags.update-nodes',
] as const;

const Version = z.object({ version: z.string(), subversion: z.string().optional() });
const Anything = z.unknown();

/**
 * The facts of the account, or why it can't be used: MAAS_UNREACHABLE, MAAS_TLS_UNTRUSTED, MAAS_UNAUTHORIZED,
 * MAAS_CLOCK_SKEW, MAAS_REFUSED (older than 3.0), MAAS_BROKEN (not a MAAS). May be repeated.
 */
export async function observeAccount(maas: MaasClient): Promise<Result<AccountFacts, MaasFailure>> {
  const version = await readVersion(maas);
  if (!version.ok) return version;
  const user = await maas.user();
  if (!user.ok) return user;
  const denied: string[] = [];
  const zones = await allowed(readNames(maas, 'zones'), [], denied);
  if (!zones.ok) return zones;
  const pools = await allowed(readNames(maas, 'resourcepools'), [], denied);
  if (!pools.ok) return pools;
  const domains = await allowed(readDomains(maas), [], denied);
  if (!domains.ok) return domains;
  const images = await allowed(readImages(maas), [], denied);
  if (!images.ok) return images;
  const ready = await allowed(listMachines(maas, { statuses: ['ready'] }), [], denied);
  if (!ready.ok) return ready;
  const probed = await probe(maas, denied);
  if (!probed.ok) return probed;
  return ok({
    maasVersion: version.value,
    user: user.value.username,
    isAdmin: user.value.is_superuser,
    zones: zones.value,
    pools: pools.value,
    domains: domains.value.map((domain) => domain.name),
    images: [...new Set(images.value.map((image) => image.name))],
    readyMachines: ready.value.length,
    permissionsMissing: [...denied, ...(user.value.is_superuser ? [] : ADMIN_ONLY)],
  });
}

/** MAAS answers `version/` to anybody, even with a wrong key, so it says what is there and nothing about the key. */
async function readVersion(maas: MaasClient): Promise<Result<string, MaasFailure>> {
  const asked = await maas.get({ operation: 'version.read', path: 'version/', answer: Version, anonymous: true });
  if (!asked.ok) return asked;
  const { version } = asked.value;
  const major = Number(/^(\d+)\./.exec(version)?.[1]);
  if (major >= MAAS_MAJOR_MIN) return ok(version);
  const detail = `MAAS ${version.slice(0, 50)} is too old: ${MAAS_MAJOR_MIN}.0 or newer is needed`;
  return err({ code: 'MAAS_REFUSED', fields: { version: [detail] }, detail });
}

/** What else the relay reads in its daily work. */
async function probe(maas: MaasClient, denied: string[]): Promise<Result<void, MaasFailure>> {
  const reads = [
    { operation: 'tags.list', path: 'tags/' },
    { operation: 'subnets.list', path: 'subnets/' },
    // A name that no DNS has, so that the answer is small.
    { operation: 'dnsresources.list', path: 'dnsresources/', query: [['fqdn', 'slipway-probe.invalid']] as const },
    { operation: 'ipaddresses.list', path: 'ipaddresses/', query: [['ip', '192.0.2.1']] as const },
    {
      operation: 'events.query',
      path: 'events/',
      query: [
        ['op', 'query'],
        ['limit', '1'],
      ] as const,
    },
  ];
  for (const read of reads) {
    const answered = await allowed(maas.get({ ...read, answer: Anything }), null, denied);
    if (!answered.ok && answered.error.code !== 'MAAS_NOT_FOUND') return answered;
  }
  return ok(undefined);
}

/** A denied read is noted and stands for `nothing`; other failures stay failures. */
async function allowed<T>(
  read: Promise<Result<T, MaasFailure>>,
  nothing: T,
  denied: string[],
): Promise<Result<T, MaasFailure>> {
  const answered = await read;
  if (answered.ok || answered.error.code !== 'MAAS_FORBIDDEN') return answered;
  denied.push(answered.error.operation);
  return ok(nothing);
}
