// What the machines of a cluster of three get, as it would be for a user's cluster and for a gateway's own.
import { bootstrapDocument } from '../../functions/plan/bootstrap-document.ts';
import { resolveProfile } from '../../functions/plan/resolve-profile.ts';
import { BootstrapDocument } from '../../shared/bootstrap.ts';
import type { ClusterKind } from '../../shared/cluster-spec.ts';
import { aCluster, machines } from '../support/builders.ts';
import { World } from './world.ts';

/** The documents of one cluster as it would be for either kind. */
export function documentsOf(kind: ClusterKind): BootstrapDocument[] {
  const world = new World(machines(4)).create(aCluster().ofGateway(3).accepted());
  world.run(() => world.sentVerbs('ensure-deployed').length > 0);
  if (world.state === null) throw new Error('no cluster');
  const state = { ...world.state, kind };
  const profile = resolveProfile(state.profile, state.spec.parameters);
  if (!profile.ok) throw new Error(profile.error.detail);
  return state.machines.map((machine, index) =>
    BootstrapDocument.parse(bootstrapDocument(state, machine, index === 0 ? 'init' : 'join', profile.value)),
  );
}
