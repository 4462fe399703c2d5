// observe-account and observe-inventory: what a MAAS holds, and whether a key opens it. They read only.
import type { InventoryFacts } from '../../shared/inventory.ts';
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

/** @param seen hears what was read */
export function observeInventory(seen: (inventory: InventoryFacts) => void): Handler<'observe-inventory'> {
  return async (body, context) => {
    const maas = await context.maas(body.account);
    if (!maas.ok) return maas;
    const inventory = await readInventory(maas.value, context.ports.clock.now);
    if (!inventory.ok) return inventory;
    seen(inventory.value);
    return ok({ verb: 'observe-inventory', inventory: inventory.value });
  };
}
