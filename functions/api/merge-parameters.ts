// A cluster's own values over its profile's. Values are checked by the layer's schema, so an override can say nothing that the
// profile itself could not.
import { type ClusterProfile, Layer } from '../../shared/cluster-profile.ts';
import type { ClusterSpec } from '../../shared/cluster-spec.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { nearestWord } from './nearest-word.ts';
import { bodyFailure, fieldErrors } from './parse-failure.ts';

/** What a layer is can't be overridden. */
const FIXED = ['kind', 'name'];

export function mergeParameters(
  profile: ClusterProfile,
  parameters: ClusterSpec['parameters'],
): Result<ClusterProfile, ApiFailure> {
  const names = profile.layers.map((layer) => layer.name);
  for (const name of Object.keys(parameters)) {
    if (!names.includes(name)) return err(unknown(`layer ${name}`, nearestWord(name, names)));
  }
  const layers: Layer[] = [];
  for (const layer of profile.layers) {
    const merged = mergeLayer(layer, parameters[layer.name] ?? {});
    if (!merged.ok) return merged;
    layers.push(merged.value);
  }
  return ok({ ...profile, layers });
}

function mergeLayer(layer: Layer, values: ClusterSpec['parameters'][string]): Result<Layer, ApiFailure> {
  // Every field has a value after parsing, so the layer itself is the list of its parameters.
  const known = Object.keys(layer).filter((key) => !FIXED.includes(key));
  const stray = Object.keys(values).find((key) => !known.includes(key));
  if (stray !== undefined) return err(unknown(`${layer.name}.${stray}`, nearestWord(stray, known)));
  const merged = Layer.safeParse({ ...layer, ...values });
  if (merged.success) return ok(merged.data);
  const failure = bodyFailure(values, merged.error);
  return err({ ...failure, errors: fieldErrors(merged.error, ['parameters', layer.name]) });
}

const unknown = (what: string, nearest: string | null): ApiFailure =>
  apiFailure(
    'PROFILE_PARAMETER_UNKNOWN',
    `${what} is not known.${nearest === null ? '' : ` Did you mean ${nearest}?`}`,
  );
