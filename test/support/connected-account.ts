// The last step of every stack: the relay has connected, and the lab's MAAS is a cloud account behind it.
import type { AccountView } from '../../shared/gateway-view.ts';
import type { GatewayId } from '../../shared/ids.ts';
import type { Lab } from '../lab/lab.ts';
import type { ApiClient } from './api-client.ts';
import { until } from './until.ts';

/** Connecting takes well under a second on an idle machine; with many stacks that start at once on two cores, it once took 30. */
const CONNECT_MS_MAX = 120_000;

export async function connectedAccount(
  api: ApiClient,
  gatewayId: GatewayId,
  lab: Pick<Lab, 'url' | 'userKey'>,
): Promise<AccountView> {
  const isConnected = async (): Promise<boolean> => (await api.gateway(gatewayId)).phase === 'connected';
  await until(CONNECT_MS_MAX, 'the relay to connect', isConnected);
  return api.createAccount({ name: 'maas', gatewayId, endpoint: lab.url, apiKey: lab.userKey });
}
