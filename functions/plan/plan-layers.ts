// Pure. What goes into the cluster: network, our rights, storage, add-ons, one after another (SPEC.md [CL9]).
import { isOpen } from './cluster-state.ts';
import { ask } from './command-for.ts';
import type { Draft } from './draft.ts';
import { accessOf } from './plan-control-plane.ts';
import type { ResolvedProfile } from './resolve-profile.ts';

export type AppliedLayer = { readonly subject: string; readonly name: string; readonly manifests: string };

/** The group that the certificates of tenant admins carry; see `ensure-certificate`. */
const ADMINS = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: slipway-admins
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: cluster-admin
subjects:
  - apiGroup: rbac.authorization.k8s.io
    kind: Group
    name: slipway:admins
`;

export function planLayers(draft: Draft, profile: ResolvedProfile): void {
  const access = accessOf(draft.state);
  const next = layersOf(profile).find(({ subject }) => !draft.state.layersApplied.includes(subject));
  if (access === null || next === undefined || !isOpen(draft.state)) return;
  const { subject, name, manifests } = next;
  ask(draft, subject, { verb: 'ensure-applied', access, name, manifests }, draft.waits.commandDeadlineMs);
}

/** In the order they are applied; layers without manifests are left out. */
export function layersOf({ manifests }: ResolvedProfile): AppliedLayer[] {
  const network = manifests.filter((layer) => layer.kind === 'cni');
  const others = manifests.filter((layer) => layer.kind !== 'cni');
  return [...network, { name: 'slipway-admins', manifests: ADMINS }, ...others]
    .filter((layer) => layer.manifests.trim() !== '')
    .map((layer, index) => ({ subject: `layer-${index}`, name: layer.name, manifests: layer.manifests }));
}
