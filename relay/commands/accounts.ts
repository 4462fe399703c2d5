// observe-account and observe-inventory: what a MAAS holds, and whether a key opens it. They read only.
import { ok } from '../../shared/result.ts';
import { observeAccount as readAccount } from '../maas/account.ts';
import { observeInventory as readInventory } from '../maas/inventory.ts';
import type { Handler } from './handler.ts';

export const observeAccount: Handler<'observe-account'> = async (body, context) => {
  const maas = await context.maas(body.account);
  if (!maas.ok) return maas;
  const account = await readAccount(maas.value);
  return account.ok ? ok({ verb: 'observe-account', account: account.value }) : account;
};

export const observeInventory: Handler<'observe-inventory'> = async (body, context) => {
  const maas = await context.maas(body.account);
  if (!maas.ok) return maas;
  const inventory = await readInventory(maas.value, context.ports.clock.now);
  return inventory.ok ? ok({ verb: 'observe-inventory', inventory: inventory.value }) : inventory;
};
