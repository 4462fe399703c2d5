// What the live MAAS offers a gateway: which zones, how many Ready machines fit a flavour there.
import type { AccountFacts, InventoryFacts } from '../../shared/inventory.ts';
import type { MaasFailure } from '../../shared/maas-failure.ts';
import { funnelOf } from '../../shared/machine-funnel.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { ADMIN_ONLY, observeAccount } from '../maas/account.ts';
import type { MaasClient } from '../maas/client.ts';
import { observeInventory } from '../maas/inventory.ts';
import { type Placement, requirementsOf } from './flavour.ts';
import { type InstallCode, type Refusal, refusal } from './install-problem.ts';

export type MaasSite = { readonly account: AccountFacts; readonly inventory: InventoryFacts };

/** MAAS as it is now, read only. A right that is missing and needed is MAAS_FORBIDDEN. May be repeated. */
export async function lookAtMaas(maas: MaasClient, now: () => number): Promise<Result<MaasSite, Refusal>> {
  const account = await observeAccount(maas);
  if (!account.ok) return err(refusalOf(account.error));
  const missing = account.value.permissionsMissing.filter((operation) => !isAdminOnly(operation));
  if (missing.length > 0)
    return err(refusal('MAAS_FORBIDDEN', `${account.value.user} may not do ${missing.join(', ')}`));
  const inventory = await observeInventory(maas, now);
  return inventory.ok ? ok({ account: account.value, inventory: inventory.value }) : err(refusalOf(inventory.error));
}

/** Slipway works without these. */
const isAdminOnly = (operation: string): boolean => ADMIN_ONLY.some((each) => each === operation);

export const fittingMachines = ({ inventory }: MaasSite, wanted: Pick<Placement, 'zone' | 'flavour'>) =>
  funnelOf({ machines: inventory.machines, quarantined: new Set() }, requirementsOf(wanted));

export const readyIn = ({ inventory }: MaasSite, zone: string | null): number =>
  inventory.machines.filter(
    (machine) => machine.status === 'ready' && machine.owner === null && (zone ?? machine.zone) === machine.zone,
  ).length;

export function refusalOf(failure: MaasFailure): Refusal {
  if (failure.code === 'MAAS_REFUSED')
    return refusal('version' in failure.fields ? 'MAAS_TOO_OLD' : 'MAAS_BROKEN', failure.detail);
  const detail =
    failure.code === 'MAAS_TLS_UNTRUSTED' ? `${failure.detail} (fingerprint ${failure.fingerprint})` : failure.detail;
  return refusal(CODES[failure.code], detail);
}

const CODES: Readonly<Record<Exclude<MaasFailure['code'], 'MAAS_REFUSED'>, InstallCode>> = {
  MAAS_UNREACHABLE: 'MAAS_UNREACHABLE',
  MAAS_TLS_UNTRUSTED: 'MAAS_TLS_UNTRUSTED',
  MAAS_UNAUTHORIZED: 'MAAS_UNAUTHORIZED',
  MAAS_CLOCK_SKEW: 'MAAS_CLOCK_SKEW',
  MAAS_FORBIDDEN: 'MAAS_FORBIDDEN',
  MAAS_NOT_FOUND: 'MAAS_BROKEN',
  MAAS_CONFLICT: 'MAAS_BROKEN',
  MAAS_BUSY: 'MAAS_BUSY',
  MAAS_UNKNOWN_OUTCOME: 'MAAS_UNREACHABLE',
  MAAS_BROKEN: 'MAAS_BROKEN',
};
