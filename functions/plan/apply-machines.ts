// Pure. Folds in what a gateway's machines shall run (SPEC.md [RO1]): it takes the place of the same fields of the profile.
import type { ClusterProfile, Layer } from '../../shared/cluster-profile.ts';
import type { EpochMs } from '../../shared/ids.ts';
import type { MachinesRelease } from '../../shared/release.ts';
import type { ClusterState } from './cluster-state.ts';
import { releaseOf, revisionOf } from './gateway-rollout.ts';
import { isAskedAlready, mayChangeMachines } from './may-change-machines.ts';

/** Null when it changes nothing, or may not be asked now. */
export function applyMachines(state: ClusterState, release: MachinesRelease, at: EpochMs): ClusterState | null {
  const old = releaseOf(state);
  if (old === null || isAskedAlready(state, release) || !mayChangeMachines(state, release).ok) return null;
  const isTold = old.kubernetesVersion === release.kubernetesVersion && state.rolling?.toldAt !== null;
  const { 'cluster/ensure-kubernetes-version': _over, ...troubles } = state.troubles;
  const slots = Object.entries(state.slots).map(([slot, memory]) => [slot, { ...memory, failedAt: [] }]);
  return {
    ...state,
    generation: state.generation + 1,
    profile: { ...state.profile, layers: state.profile.layers.map((layer) => withRelease(layer, release)) },
    spec: { ...state.spec, parameters: withoutReleased(state) },
    rolling: { from: state.rolling?.from ?? old, at, toldAt: isTold ? at : null },
    // Until now nobody had to know what the machines were made of.
    machines: state.machines.map((machine) =>
      machine.revision === null && machine.deploy !== null ? { ...machine, revision: revisionOf(old) } : machine,
    ),
    // What failed with the old one says nothing of the new one, and what was looked for may be another thing.
    slots: Object.fromEntries(slots),
    troubles,
    shortage: null,
    inventory: null,
  };
}

function withRelease(layer: Layer, release: MachinesRelease): Layer {
  const { image, kubernetesVersion, packageRepository, kubeVipImage } = release;
  if (layer.kind === 'os') return { ...layer, image };
  return layer.kind === 'kubernetes'
    ? { ...layer, version: kubernetesVersion, packageRepository, kubeVipImage }
    : layer;
}

const RELEASED: Readonly<Record<string, readonly string[]>> = {
  os: ['image'],
  kubernetes: ['version', 'packageRepository', 'kubeVipImage'],
};

/** A parameter of the cluster's own would win over the profile. */
function withoutReleased({ spec, profile }: { readonly spec: ClusterState['spec']; readonly profile: ClusterProfile }) {
  const kinds = new Map(profile.layers.map(({ name, kind }) => [name, kind]));
  const kept = Object.entries(spec.parameters).map(([layer, values]) => {
    const released = RELEASED[kinds.get(layer) ?? ''] ?? [];
    return [layer, Object.fromEntries(Object.entries(values).filter(([field]) => !released.includes(field)))];
  });
  return Object.fromEntries(kept);
}
