// One MAAS client for each account and key, so that its connections and what it knows of its user are shared by all commands.
import { createHash } from 'node:crypto';
import type { AccountAccess, CommandFailure } from '../../shared/command.ts';
import type { AccountId } from '../../shared/ids.ts';
import { err, type Result } from '../../shared/result.ts';
import { createMaasClient, type MaasClient } from '../maas/client.ts';
import { normaliseEndpoint } from '../maas/endpoint.ts';
import { createRegionGates } from '../maas/request-gate.ts';
import type { TlsTrust } from '../maas/tls-trust.ts';
import type { MaasTransport } from '../maas/transport.ts';
import type { Ports } from '../ports.ts';
import type { CommandContext } from './handler.ts';

/** More accounts than one gateway serves; the one unused for longest goes. */
const CLIENTS_MAX = 64;

export type AccountClients = (
  account: AccountAccess,
  openSecret: CommandContext['openSecret'],
) => Promise<Result<MaasClient, CommandFailure>>;

/** @param allowed normalised endpoints that this site lets commands name; null for any */
export function createAccountClients(
  ports: Ports,
  transportFor: (trust: TlsTrust) => MaasTransport,
  allowed: readonly string[] | null,
): AccountClients {
  const clients = new Map<AccountId, { readonly key: string; readonly client: MaasClient }>();
  const gateOf = createRegionGates(ports.clock.monotonicMs);
  return async (account, openSecret) => {
    const { accountId, caBundlePem, sealedKey } = account;
    const endpoint = normaliseEndpoint(account.endpoint);
    if (!endpoint.ok) return endpoint;
    if (allowed !== null && !allowed.includes(endpoint.value)) {
      const detail = `this site does not allow ${endpoint.value}: it is not in SLIPWAY_MAAS_ENDPOINTS of the relay`;
      return err({ code: 'SITE_FORBIDS', detail });
    }
    const key = createHash('sha256')
      .update(JSON.stringify([endpoint.value, caBundlePem, sealedKey]))
      .digest('hex');
    const known = clients.get(accountId);
    if (known?.key === key) return { ok: true, value: known.client };
    const opened = await openSecret(sealedKey);
    if (!opened.ok) return opened;
    const client = createMaasClient({
      endpoint: endpoint.value,
      apiKey: Buffer.from(opened.value).toString('utf8'),
      transport: transportFor(caBundlePem === null ? { kind: 'system' } : { kind: 'ca', pem: caBundlePem }),
      gateOf,
      now: ports.clock.now,
      random: ports.random.fraction,
    });
    if (!client.ok) return client;
    clients.delete(accountId);
    clients.set(accountId, { key, client: client.value });
    const oldest = clients.size > CLIENTS_MAX ? clients.keys().next() : null;
    if (oldest !== null && !oldest.done) clients.delete(oldest.value);
    return client;
  };
}
