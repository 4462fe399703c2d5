// Stable made-up UUIDs: the same thing has the same one in every run.

import { hash } from 'node:crypto';

export function deterministicUuid(of: string): string {
  const hex = hash('sha256', of, 'hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-11f1-${hex.slice(12, 16)}-${hex.slice(16, 28)}`;
}
