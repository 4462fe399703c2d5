// Stable made-up UUIDs: the same thing has the same one in every run.

import { createHash } from 'node:crypto';

export function deterministicUuid(of: string): string {
  const hex = createHash('sha256').update(of).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-11f1-${hex.slice(12, 16)}-${hex.slice(16, 28)}`;
}
