// The whole of Slipway on this machine: control plane, lab and relay, paired and with a cloud account. The demo and the
// end-to-end tests start this and nothing else, but where the way there is what they show (site.ts).

import { join } from 'node:path';
import type { AccountView, GatewayView } from '../../shared/gateway-view.ts';
import { connectedAccount } from './connected-account.ts';
import { freePort } from './control-plane.ts';
import { pairRelay, type RelayProcess, type RelaySettings, runRelay } from './relay-process.ts';
import { type Site, type SiteOptions, startSite } from './site.ts';

export type Stack = Site & {
  readonly gateway: GatewayView;
  readonly account: AccountView;
  readonly relaySettings: RelaySettings;
  /** The relay that runs now. */
  relay(): RelayProcess;
  /** Starts the relay again after it ended, with further environment such as a failpoint. */
  startRelay(environment?: Readonly<Record<string, string>>): RelayProcess;
};

export async function startStack(options: SiteOptions): Promise<Stack> {
  const site = await startSite(options);
  let relay: RelayProcess | null = null;
  const close = async (): Promise<void> => {
    await relay?.stop();
    await site.close();
  };
  try {
    const { api, controlPlane, lab } = site;
    const gateway = await api.createGateway('datacentre');
    const relaySettings: RelaySettings = {
      stateDir: join(options.stateDir, 'relay'),
      consoleUrl: controlPlane.url,
      enrolment: `${options.address}:${await freePort(options.address)}`,
      log: (line) => options.log(`relay: ${line}`),
    };
    await pairRelay(relaySettings, gateway.pairingCode);
    let running = runRelay(relaySettings);
    relay = running;
    const account = await connectedAccount(api, gateway.id, lab);
    const startRelay = (environment: Readonly<Record<string, string>> = {}): RelayProcess => {
      running = runRelay({ ...relaySettings, environment });
      relay = running;
      return running;
    };
    return { ...site, gateway, account, relaySettings, relay: () => running, startRelay, close };
  } catch (error) {
    await close();
    throw error;
  }
}
