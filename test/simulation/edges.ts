// Edges of the state machines that a run of many seeds must pass: of a cluster's phases, of its slots' phases, and of MAAS's statuses
// of machines that are ours. Rarer ones are counted and shown, not asked for.

export const EDGES: readonly string[] = [
  'cluster: aborting → deleted',
  'cluster: degraded → deleting',
  'cluster: deleting → deleted',
  'cluster: none → pending',
  'cluster: pending → deleted',
  'cluster: pending → provisioning',
  'cluster: provisioning → aborting',
  'cluster: provisioning → failed',
  'cluster: provisioning → pending',
  'cluster: provisioning → running',
  'cluster: running → degraded',
  'cluster: running → deleting',
  'maas: Allocated → Deploying',
  'maas: Allocated → Releasing',
  'maas: Deployed → Broken',
  'maas: Deployed → Disk erasing',
  'maas: Deployed → Releasing',
  'maas: Deploying → Deployed',
  'maas: Deploying → Disk erasing',
  'maas: Deploying → Failed deployment',
  'maas: Deploying → Releasing',
  'maas: Disk erasing → Releasing',
  'maas: Failed deployment → Disk erasing',
  'maas: Failed deployment → Releasing',
  'maas: Ready → Allocated',
  'maas: Releasing failed → Disk erasing',
  'maas: Releasing → Deployed',
  'maas: Releasing → Releasing failed',
  'slot: allocated → deploying',
  'slot: bootstrapping → joining',
  'slot: bootstrapping → ready',
  'slot: bootstrapping → releasing',
  'slot: claiming → allocated',
  'slot: claiming → deploying',
  'slot: claiming → releasing',
  'slot: deploying → bootstrapping',
  'slot: deploying → enrolled',
  'slot: deploying → releasing',
  'slot: enrolled → bootstrapping',
  'slot: enrolled → releasing',
  'slot: joining → ready',
  'slot: none → claiming',
  'slot: ready → releasing',
  'slot: releasing → released',
];

/** Of a gateway on machines of its own, that grows. */
/** Of one that is upgraded: how far that is, what becomes of the program on each relay, and clusters that stand in line. */
export const UPGRADE_EDGES: readonly string[] = [];

export const GATEWAY_EDGES: readonly string[] = ['cluster: running → updating', 'cluster: updating → running'];
