// The last words of an installation.

import type { Identity } from '../identity.ts';
import type { InstallArguments } from './arguments.ts';
import { hostState, type Installed } from './host-install.ts';
import type { Standing } from './installed.ts';
import type { MachinesEnd } from './machines-install.ts';
import { API_KEY_VARIABLE } from './settings.ts';

export function hostSummary(given: InstallArguments, { identity, connected, account }: Installed): string {
  const name = identity.gatewayName;
  const where = given.prefix === '' ? '' : ` --prefix ${given.prefix}`;
  const again = `slipway-relay install -s true -c ${given.configFile} --host${where}${given.start ? '' : ' --no-start'}`;
  const start =
    given.prefix === ''
      ? 'systemctl enable --now slipway-relay'
      : `SLIPWAY_CONFIG=${given.prefix}/etc/slipway/relay.yaml slipway-relay run`;
  const relay = connected ? 'connected to the console' : `not connected; start it: ${start}`;
  const cloud = {
    made: `${name}, made`,
    there: `${name}, there already`,
    'not-made': `not made: that takes an API key and a connected relay. Make it in the console, or run again:\n  ${API_KEY_VARIABLE}=… ${again}`,
  };
  return (
    `Gateway ${name} is installed on this host.\n` +
    `Relay: ${relay}\nState: ${hostState(given)} (back up gateway-key.json)\nCloud account: ${cloud[account]}\n`
  );
}

export function machinesSummary({ gateway, state }: MachinesEnd): string {
  const { machines } = state;
  const each = machines.map(
    ({ slot, hostname, relay }) => `  ${slot}: ${hostname ?? '-'}, relay ${relay?.nodeId ?? '-'}\n`,
  );
  return (
    `Gateway ${gateway.name} (${gateway.id}) runs on ${machines.length === 1 ? 'its machine' : `${machines.length} machines`}:\n` +
    `${each.join('')}Cloud account: ${gateway.name}\nThis host is its relay no more; the keys it had are removed.\n`
  );
}

/** The one line for a script. */
export function machinesJson({ gateway, state }: MachinesEnd): string {
  return `${JSON.stringify({ gateway, phase: state.phase, machines: state.machines })}\n`;
}

/** @param wanted machines by pcg.yaml */
export function standingSummary({ gateway, phase, machines, ...about }: Standing, wanted: number | null): string {
  const each = machines.map(({ slot, hostname, phase: at, relay }) => {
    const link = about.isNow && relay !== null ? `, ${relay.connected ? 'connected' : 'away'}` : '';
    return `  ${slot}: ${hostname ?? '-'}, ${at}, relay ${relay?.nodeId ?? '-'}${link}\n`;
  });
  const then = new Date(about.installedAt).toISOString();
  const when = about.isNow ? 'it is' : 'and was then';
  const ask = about.isNow ? '' : `What it is now, the console says: run this again with ${API_KEY_VARIABLE}.\n`;
  const isOther = wanted !== null && wanted !== machines.length;
  const grow = isOther
    ? `pcg.yaml names ${wanted}; PATCH /v1/gateways/${gateway.id} makes it grow, from 1 to 3 only.\n`
    : '';
  return (
    `Gateway ${gateway.name} (${gateway.id}) was installed from this file at ${then}; nothing was changed.\n` +
    `With ${machines.length === 1 ? 'one machine' : `${machines.length} machines`}, ${when} ${phase ?? 'in no known phase'}:\n` +
    `${each.join('')}${grow}${ask}`
  );
}

export function standingJson({ gateway, phase, machines }: Standing): string {
  return `${JSON.stringify({ gateway, phase, machines, already: true })}\n`;
}

export function interruptedWords({ configFile }: Pick<InstallArguments, 'configFile'>): string {
  return (
    'Nothing is lost: what was begun goes on in MAAS, and the same command carries on from there.\n' +
    `  slipway-relay install -s true -c ${configFile}\n` +
    `To give it up instead: slipway-relay uninstall -c ${configFile}\n`
  );
}

export function nodeSummary({
  identity,
  connected,
}: {
  readonly identity: Identity;
  readonly connected: boolean;
}): string {
  const state = connected ? 'connected to the console' : 'not started';
  return `Relay ${identity.nodeId} of gateway ${identity.gatewayName} is installed; ${state}.\n`;
}
