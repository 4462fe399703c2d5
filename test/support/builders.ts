// Clusters, machines and inventories for tests, with everything that does not matter filled in.
import type { ClusterEvent } from '../../functions/plan/cluster-event.ts';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import type { ClusterProfile } from '../../shared/cluster-profile.ts';
import { type ClusterKind, ClusterSpec, type ClusterSpecInput } from '../../shared/cluster-spec.ts';
import { AccountAccess } from '../../shared/command.ts';
import { ClusterId, GatewayId, Scope, SystemId } from '../../shared/ids.ts';
import type { InventoryFacts } from '../../shared/inventory.ts';
import type { Waits } from '../../shared/limits.ts';
import type { MachineFacts } from '../../shared/machine.ts';
import type { SealedSecret } from '../../shared/sealed-secret.ts';

type PoolInput = NonNullable<ClusterSpecInput['pools']>[number];

/** Short waits that keep their order: what is long in production is long here. */
export const TEST_WAITS: Waits = {
  leaseGuardMs: 5_000,
  unknownClaimLookupMs: 60_000,
  allocateDeadlineMs: 30_000,
  deployDeadlineMs: 450_000,
  joinDeadlineMs: 120_000,
  releaseDeadlineMs: 90_000,
  commandDeadlineMs: 30_000,
  shortageDeadlineMs: 3_600_000,
  retryMsMin: 200,
  retryMsMax: 12_000,
};

export const sealed = (purpose: SealedSecret['purpose'], recordId: string): SealedSecret => ({
  v: 1,
  purpose,
  recordId,
  version: 1,
  encapsulatedKey: 'a2V5',
  ciphertext: 'dGV4dA',
});

export const TEST_ACCOUNT = AccountAccess.parse({
  accountId: 'acc_1',
  endpoint: 'http://maas.test:5240/MAAS',
  sealedKey: sealed('maas-key', 'acc_1'),
  caBundlePem: null,
});

export type ClusterBuilder = {
  withControlPlane(size: number, more?: Partial<PoolInput>): ClusterBuilder;
  withWorkers(size: number, more?: Partial<PoolInput>): ClusterBuilder;
  withSpec(more: Partial<ClusterSpecInput>): ClusterBuilder;
  withProfile(profile: ClusterProfile): ClusterBuilder;
  withId(id: string): ClusterBuilder;
  /** The machines that carry a gateway. */
  ofGateway(size: number): ClusterBuilder;
  accepted(at?: number): Extract<ClusterEvent, { kind: 'spec-accepted' }>;
};

export function aCluster(): ClusterBuilder {
  const build = (
    input: ClusterSpecInput,
    profile: ClusterProfile,
    id: string,
    cluster: ClusterKind = 'workload',
  ): ClusterBuilder => {
    const pools = input.pools ?? [];
    const withPool = (pool: PoolInput): ClusterBuilder =>
      build({ ...input, pools: [...pools.filter((other) => other.name !== pool.name), pool] }, profile, id, cluster);
    return {
      withControlPlane: (size, more = {}) => withPool({ ...more, name: 'cp', role: 'control-plane', size }),
      withWorkers: (size, more = {}) => withPool({ name: 'workers', ...more, role: 'worker', size }),
      withSpec: (more) => build({ ...input, ...more }, profile, id, cluster),
      withProfile: (other) => build(input, other, id, cluster),
      withId: (other) => build(input, profile, other, cluster),
      ofGateway: (size) => {
        const pool = { name: 'gateway', role: 'control-plane' as const, size, allowWorkloads: true };
        return build({ ...input, pools: [pool] }, profile, id, 'gateway');
      },
      accepted: (at = 1_000) => ({
        kind: 'spec-accepted',
        at,
        scope: Scope.parse({ tenantId: 'ten_1', projectId: 'prj_1', jurisdiction: 'default' }),
        clusterId: ClusterId.parse(id),
        gatewayId: GatewayId.parse('gw_1'),
        account: TEST_ACCOUNT,
        spec: ClusterSpec.parse(input),
        profile,
        cluster,
      }),
    };
  };
  return build(
    { name: 'demo', profileId: 'pro_maas', accountId: 'acc_1', pools: [] },
    BUILTIN_PROFILE,
    'clu_abcdefgh12345678',
  );
}

export function aMachine(systemId: string, more: Partial<MachineFacts> = {}): MachineFacts {
  return {
    systemId: SystemId.parse(systemId),
    hostname: `node-${systemId}`,
    fqdn: `node-${systemId}.maas`,
    status: 'ready',
    owner: null,
    claim: null,
    zone: 'az1',
    pool: 'default',
    tags: [],
    architecture: 'amd64/generic',
    cpuCores: 4,
    memoryMiB: 8_192,
    disksGB: [100],
    addresses: [],
    powerState: 'off',
    powerType: 'ipmi',
    locked: false,
    image: null,
    errorDescription: '',
    ...more,
  };
}

/** `count` machines m-01…, spread over three zones. */
export function machines(count: number, more: Partial<MachineFacts> = {}): MachineFacts[] {
  return Array.from({ length: count }, (_, index) =>
    aMachine(`m-${String(index + 1).padStart(2, '0')}`, { zone: `az${(index % 3) + 1}`, ...more }),
  );
}

export function anInventory(list: readonly MachineFacts[], more: Partial<InventoryFacts> = {}): InventoryFacts {
  return {
    observedAt: 0,
    zones: ['az1', 'az2', 'az3'],
    pools: ['default'],
    tags: [],
    domains: [{ name: 'maas', authoritative: true, isDefault: true }],
    subnets: [
      {
        id: 1,
        name: 'nodes',
        cidr: '10.10.0.0/24',
        gatewayIp: '10.10.0.1',
        managed: true,
        freeAddresses: Array.from({ length: 20 }, (_, index) => `10.10.0.${200 + index}`),
        freeCount: 120,
      },
    ],
    images: [{ name: 'ubuntu/noble', architecture: 'amd64' }],
    machines: [...list],
    ...more,
  };
}
