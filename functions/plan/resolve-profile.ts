// Pure. A profile with a cluster's own parameters put over it, and its layers found by kind.

import type { ClusterProfile } from '../../shared/cluster-profile.ts';
import { type KubernetesLayer, Layer, type OsLayer } from '../../shared/cluster-profile.ts';
import type { ClusterSpec } from '../../shared/cluster-spec.ts';
import { err, ok, type Result } from '../../shared/result.ts';

export type ManifestLayer = Extract<Layer, { kind: 'cni' | 'csi' | 'addon' }>;
export type ResolvedProfile = {
  readonly os: OsLayer;
  readonly kubernetes: KubernetesLayer;
  /** In the order they are applied: network, storage, add-ons. */
  readonly manifests: readonly ManifestLayer[];
};
export type ProfileProblem = { readonly layer: string; readonly detail: string };

type Parameters = ClusterSpec['parameters'];
type Resolution = Result<ResolvedProfile, ProfileProblem>;

/** Of each profile the last answer. A cluster's profile never changes, and every planning asks. */
const resolved = new WeakMap<ClusterProfile, { readonly parameters: Parameters; readonly answer: Resolution }>();

/** Fails when a parameter names no layer, no field of it, or a value the layer does not take. */
export function resolveProfile(profile: ClusterProfile, parameters: Parameters): Resolution {
  const known = resolved.get(profile);
  if (known?.parameters === parameters) return known.answer;
  const answer = mergeLayers(profile, parameters);
  resolved.set(profile, { parameters, answer });
  return answer;
}

function mergeLayers(profile: ClusterProfile, parameters: Parameters): Resolution {
  const unknown = Object.keys(parameters).find((name) => !profile.layers.some((layer) => layer.name === name));
  if (unknown !== undefined) {
    const names = profile.layers.map((layer) => layer.name).join(', ');
    return err({ layer: unknown, detail: `The profile has no layer ${unknown}; it has ${names}.` });
  }
  const layers: Layer[] = [];
  for (const layer of profile.layers) {
    const merged = Layer.safeParse({ ...layer, ...parameters[layer.name], kind: layer.kind, name: layer.name });
    if (!merged.success) return err({ layer: layer.name, detail: firstIssue(layer.name, merged.error.issues) });
    layers.push(merged.data);
  }
  return pickLayers(layers);
}

function pickLayers(layers: readonly Layer[]): Result<ResolvedProfile, ProfileProblem> {
  const os = layers.find((layer) => layer.kind === 'os');
  const kubernetes = layers.find((layer) => layer.kind === 'kubernetes');
  if (os === undefined) return err({ layer: 'os', detail: 'The profile has no os layer.' });
  if (kubernetes === undefined) return err({ layer: 'kubernetes', detail: 'The profile has no kubernetes layer.' });
  const inOrder = (['cni', 'csi', 'addon'] as const).flatMap((kind) => layers.filter((layer) => layer.kind === kind));
  return ok({ os, kubernetes, manifests: inOrder.filter(isManifests) });
}

function isManifests(layer: Layer): layer is ManifestLayer {
  return layer.kind === 'cni' || layer.kind === 'csi' || layer.kind === 'addon';
}

function firstIssue(layer: string, issues: readonly { path: PropertyKey[]; message: string }[]): string {
  const issue = issues[0];
  const field = issue?.path.map(String).join('.') ?? '';
  return `Parameter ${layer}${field === '' ? '' : `.${field}`}: ${issue?.message ?? 'not valid'}.`;
}
