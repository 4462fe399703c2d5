// What a gateway's machines run is changed through their object: asked twice it is one wish, and refused with a stable code.
import { beforeAll, describe, expect, test } from 'vitest';
import { clusterOf } from '../../functions/env.ts';
import type { ClusterState } from '../../functions/plan/cluster-state.ts';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import { type ClusterId, RelayNodeId, type Scope } from '../../shared/ids.ts';
import { MachinesRelease } from '../../shared/release.ts';
import { connectGateway } from './api-gateway.ts';
import { setUp } from './call-api.ts';
import { rewriteState, storedState } from './cluster-storage-access.ts';
import { edgeEnv } from './fake-relay.ts';
import { claimAt, giveMachine, installed, MACHINES } from './own-machines.ts';

let admin: string;
let scope: Scope;
beforeAll(async () => {
  ({ key: admin, scope } = await setUp());
});

const objectOf = (id: ClusterId) => clusterOf(edgeEnv, scope, id);

function wish(change: Partial<MachinesRelease>): MachinesRelease {
  const os = BUILTIN_PROFILE.layers.find((layer) => layer.kind === 'os');
  const kubernetes = BUILTIN_PROFILE.layers.find((layer) => layer.kind === 'kubernetes');
  const { version: kubernetesVersion, packageRepository, kubeVipImage } = kubernetes ?? {};
  return MachinesRelease.parse({ image: os?.image, kubernetesVersion, packageRepository, kubeVipImage, ...change });
}

/** As the planner would have it once the one machine serves. */
function whole(state: ClusterState): ClusterState {
  const at = state.createdAt;
  const [machine] = state.machines;
  if (machine === undefined) throw new Error('no machine');
  const name = machine.held?.hostname ?? '';
  const relay = { claim: machine.claim, nodeId: RelayNodeId.parse('nod_1'), state: 'active' as const, connected: true };
  return {
    ...state,
    provisionedAt: at,
    filledAt: at,
    api: { ready: true, since: at, detail: '', firstReadyAt: at },
    relays: [relay],
    nodes: { [name]: { present: true, ready: true, since: at, internalIp: null, reason: '' } },
    machines: [{ ...machine, readyAt: at, relay: { status: 'here', since: at, activeAt: at } }],
  };
}

async function standing(name: string): Promise<ClusterId> {
  const gateway = await connectGateway(admin, name);
  const clusterId = await installed(gateway, { ...MACHINES, size: 1 });
  await giveMachine(scope, clusterId, claimAt(gateway.node.gatewayId, clusterId));
  await rewriteState(clusterId, whole, scope);
  return clusterId;
}

describe('changeMachines', () => {
  test('[RO1] changes the profile and the generation once, and shows `updating`', async () => {
    const clusterId = await standing('rolls');
    const { generation } = await storedState(clusterId, scope);
    const release = wish({ image: 'ubuntu/plucky', kubernetesVersion: 'v1.36.3' });
    const changed = await objectOf(clusterId).changeMachines(release);
    expect(changed).toMatchObject({ ok: true, value: { phase: 'updating', kubernetesVersion: 'v1.36.3' } });
    expect(await objectOf(clusterId).changeMachines(release)).toMatchObject({ ok: true });
    const state = await storedState(clusterId, scope);
    expect(state.generation).toBe(generation + 1);
    expect(state.profile.layers).toContainEqual(expect.objectContaining({ kind: 'os', image: 'ubuntu/plucky' }));
    expect(state.rolling?.from).toEqual(wish({}));
  });

  test('[RO2] [RO8] says why it may not be, and a gateway does not grow meanwhile', async () => {
    const early = await installed(await connectGateway(admin, 'not-whole'), { ...MACHINES, size: 1 });
    const refusal = async (id: ClusterId, change: Partial<MachinesRelease>) => {
      const asked = await objectOf(id).changeMachines(wish(change));
      return asked.ok ? null : asked.error.code;
    };
    expect(await refusal(early, { image: 'ubuntu/plucky' })).toBe('GATEWAY_NOT_HEALTHY');
    const clusterId = await standing('skews');
    expect(await refusal(clusterId, { kubernetesVersion: 'v1.38.0' })).toBe('KUBERNETES_SKEW');
    expect(await refusal(clusterId, { kubernetesVersion: 'v1.35.0' })).toBe('KUBERNETES_SKEW');
    expect(await refusal(clusterId, { kubernetesVersion: 'v1.37.0' })).toBeNull();
    expect(await objectOf(clusterId).resize(3)).toMatchObject({ ok: false, error: { code: 'GATEWAY_NOT_HEALTHY' } });
    const { spec } = await storedState(clusterId, scope);
    expect(spec.pools).toMatchObject([{ size: 1 }]);
  });
});
