// The status machine of a MAAS machine (maas.md §5): names, numbers, the names that filters take, and every move there is.
// Pure. No HTTP, no clock.

export const STATUSES = {
  New: { number: 0, filter: 'new' },
  Commissioning: { number: 1, filter: 'commissioning' },
  'Failed commissioning': { number: 2, filter: 'failed_commissioning' },
  Missing: { number: 3, filter: 'missing' },
  Ready: { number: 4, filter: 'ready' },
  Reserved: { number: 5, filter: 'reserved' },
  Deployed: { number: 6, filter: 'deployed' },
  Retired: { number: 7, filter: 'retired' },
  Broken: { number: 8, filter: 'broken' },
  Deploying: { number: 9, filter: 'deploying' },
  Allocated: { number: 10, filter: 'allocated' },
  'Failed deployment': { number: 11, filter: 'failed_deployment' },
  Releasing: { number: 12, filter: 'releasing' },
  'Releasing failed': { number: 13, filter: 'failed_releasing' },
  'Disk erasing': { number: 14, filter: 'disk_erasing' },
  'Failed disk erasing': { number: 15, filter: 'failed_disk_erasing' },
  'Rescue mode': { number: 16, filter: 'rescue_mode' },
  'Entering rescue mode': { number: 17, filter: 'entering_rescue_mode' },
  'Failed to enter rescue mode': { number: 18, filter: 'failed_entering_rescue_mode' },
  'Exiting rescue mode': { number: 19, filter: 'exiting_rescue_mode' },
  'Failed to exit rescue mode': { number: 20, filter: 'failed_exiting_rescue_mode' },
  Testing: { number: 21, filter: 'testing' },
  'Failed testing': { number: 22, filter: 'failed_testing' },
} as const;

export type MachineStatus = keyof typeof STATUSES;

const BY_FILTER = new Map<string, MachineStatus>();
for (const name of statusNames()) BY_FILTER.set(STATUSES[name].filter, name);

/** The status behind a filter's name such as `failed_deployment`; numbers are not names. */
export const statusOfFilter = (filter: string): MachineStatus | undefined => BY_FILTER.get(filter);

/** From these a machine is released; Ready and Releasing are no-ops, all others a conflict (maas.md §5.3). */
export const RELEASABLE: ReadonlySet<MachineStatus> = new Set<MachineStatus>([
  'Allocated',
  'Reserved',
  'Broken',
  'Deploying',
  'Deployed',
  'Failed deployment',
  'Releasing failed',
  'Failed disk erasing',
]);

const BREAKABLE: readonly MachineStatus[] = [
  'Allocated',
  'Reserved',
  'Deploying',
  'Deployed',
  'Failed deployment',
  'Releasing failed',
  'Failed disk erasing',
];
const FALL_BACK: readonly MachineStatus[] = [
  'Deployed',
  'Deploying',
  'Failed deployment',
  'Allocated',
  'Broken',
  'Reserved',
  'Releasing failed',
  'Failed disk erasing',
];

const MOVES: { readonly [from in MachineStatus]?: readonly MachineStatus[] } = {
  Ready: ['Allocated'],
  Allocated: ['Deploying', 'Releasing', 'Disk erasing', 'Broken'],
  Reserved: ['Releasing', 'Disk erasing', 'Broken'],
  Deploying: ['Deployed', 'Failed deployment', 'Allocated', 'Releasing', 'Disk erasing', 'Broken'],
  Deployed: ['Releasing', 'Disk erasing', 'Broken'],
  'Failed deployment': ['Releasing', 'Disk erasing', 'Broken'],
  Releasing: ['Ready', 'Releasing failed', ...FALL_BACK],
  'Releasing failed': ['Releasing', 'Disk erasing', 'Broken'],
  'Disk erasing': ['Releasing', 'Failed disk erasing'],
  'Failed disk erasing': ['Releasing', 'Disk erasing', 'Broken'],
  Broken: ['Ready', 'Deployed', 'Releasing', 'Disk erasing'],
};

/** Whether the lab's MAAS may ever move a machine so. A move outside this table is a bug of the lab. */
export const mayMove = (from: MachineStatus, to: MachineStatus): boolean => MOVES[from]?.includes(to) ?? false;

export const mayBreak = (status: MachineStatus): boolean => BREAKABLE.includes(status);

export function statusNames(): MachineStatus[] {
  const isName = (key: string): key is MachineStatus => key in STATUSES;
  return Object.keys(STATUSES).filter(isName);
}
