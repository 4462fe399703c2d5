// The MAAS key of the default cloud account, sealed on this host for the gateway: the console never has it. A seal differs each
// time, so it is kept and said again: the same key is the same account to the edge (I2).
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { AccountAccess } from '../../shared/command.ts';
import { AccountId, type GatewayId, randomPart } from '../../shared/ids.ts';
import { ok } from '../../shared/result.ts';
import { parseOwnFile } from '../enrolment/own-file.ts';
import type { GatewayKey } from '../gateway-key.ts';
import type { Identity } from '../identity.ts';
import type { Disk } from '../ports.ts';
import { problem, type Step } from './host-service.ts';
import type { Settings } from './settings.ts';

const ACCOUNT_FILE = 'default-account.json';
const Kept = z.strictObject({
  v: z.literal(1),
  access: AccountAccess,
  /** SHA-256 of the key's text and of what it was sealed to, hex. */
  of: z.string(),
});

/** Sealed once for a key; with another key, or for another gateway's key, anew with the next version. May be repeated. */
export async function sealDefaultAccount(
  { endpoint, apiKey, caPem }: Settings['maas'],
  { scope, gatewayId }: Identity,
  key: Pick<GatewayKey, 'seal' | 'sealingKey'>,
  disk: Disk,
): Step<AccountAccess> {
  const read = await disk.read(ACCOUNT_FILE);
  if (!read.ok) return problem('state folder', 'HOST_COMMAND_FAILED', read.error.detail);
  const kept = read.value === null ? null : parseOwnFile(Kept, read.value);
  const of = createHash('sha256').update(`${key.sealingKey}|${apiKey}`).digest('hex');
  const place = { endpoint, caBundlePem: caPem };
  if (kept !== null && kept.of === of && kept.access.endpoint === endpoint && kept.access.caBundlePem === caPem)
    return ok(kept.access);
  const accountId = accountIdOf(gatewayId);
  const version = (kept?.access.sealedKey.version ?? 0) + 1;
  const about = { purpose: 'maas-key', recordId: accountId, version } as const;
  const sealedKey =
    kept !== null && kept.of === of
      ? kept.access.sealedKey
      : await key.seal(new TextEncoder().encode(apiKey), { scope, gatewayId }, about);
  const access: AccountAccess = { accountId, sealedKey, ...place };
  const written = await disk.replace(ACCOUNT_FILE, Buffer.from(JSON.stringify({ v: 1, access, of })));
  return written.ok ? ok(access) : problem('state folder', 'HOST_COMMAND_FAILED', written.error.detail);
}

/** Of the gateway's id, so that an installer that lost its folder means the same account. */
export function accountIdOf(gatewayId: GatewayId): AccountId {
  const digest = createHash('sha256').update(`slipway/default-account/1|${gatewayId}`).digest();
  return AccountId.parse(`acc_${randomPart(digest)}`);
}
