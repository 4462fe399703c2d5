// The default cloud account: named after the gateway, so that clusters can be made at once (features A1).
import { err, ok } from '../../shared/result.ts';
import type { Identity } from '../identity.ts';
import type { HostWorld } from './host-install.ts';
import { problem, type Step } from './host-service.ts';
import type { Settings } from './settings.ts';

/** The console tries the account on MAAS through the gateway, so this needs a relay that is connected. May be repeated. */
export async function ensureAccount(
  { maas, sharing }: Settings,
  { gatewayId, gatewayName }: Identity,
  connected: boolean,
  { api }: HostWorld,
): Step<'made' | 'there' | 'not-made'> {
  if (api === null || !connected) return ok('not-made');
  const found = await api.accountNamed(gatewayName);
  if (!found.ok) return err({ ...found.error, where: 'cloud account' });
  if (found.value?.gatewayId === gatewayId) return ok('there');
  if (found.value !== null)
    return problem('cloud account', 'ACCOUNT_NAME_TAKEN', `the cloud account ${gatewayName} is of another gateway`);
  const { endpoint, apiKey, caPem: caBundlePem } = maas;
  const shared = sharing && { sharing };
  const made = await api.createAccount({ name: gatewayName, gatewayId, endpoint, apiKey, caBundlePem, ...shared });
  return made.ok ? ok('made') : err({ ...made.error, where: 'cloud account' });
}
