// The lab's book of calls: every call that could change something, for whoever checks afterwards what was really asked.

import type { Fields } from './maas/fields.ts';
import { lastOf } from './maas/fields.ts';
import type { Region } from './maas/region.ts';

export type HistoryEntry = {
  /** When the work was done; epoch milliseconds. */
  readonly atMs: number;
  /** The user's name; null when the key was refused. */
  readonly caller: string | null;
  readonly operation: string;
  readonly path: string;
  readonly machine: string | null;
  /** The agent_name given, else the one the machine carried before the call, else its `slipway.claim` annotation. */
  readonly claim: string | null;
  readonly status: number;
  /** What became of the answer. */
  readonly answer: 'sent' | 'lost';
  /** The parameters, without user-data, which may hold secrets. */
  readonly parameters: Readonly<Record<string, readonly string[]>>;
};

const HIDDEN: ReadonlySet<string> = new Set(['user_data', 'password']);

export function claimOf(region: Region, systemId: string | null, fields: Fields): string | null {
  const given = lastOf(fields, 'agent_name');
  if (given !== undefined && given !== '') return given;
  const machine = systemId === null ? undefined : region.machines.get(systemId);
  if (!machine) return null;
  return machine.agentName || machine.annotations['slipway.claim'] || null;
}

export const shownParameters = (fields: Fields): Record<string, readonly string[]> =>
  Object.fromEntries([...fields].filter(([name]) => !HIDDEN.has(name)));
