// Pure. Whether a gateway's machines may be asked to run something else now (SPEC.md [RO1], [RO2]).
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import type { MachinesRelease } from '../../shared/release.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { ClusterState } from './cluster-state.ts';
import { phaseOf } from './describe-cluster.ts';
import { releaseOf, revisionOf } from './gateway-rollout.ts';

/** It runs this, or is on its way there: asking twice is one wish. */
export function isAskedAlready(state: ClusterState, release: MachinesRelease): boolean {
  const now = releaseOf(state);
  return now !== null && state.intent.kind === 'present' && revisionOf(now) === revisionOf(release);
}

/**
 * GATEWAY_WITHOUT_MACHINES for a user's own cluster; GATEWAY_NOT_HEALTHY unless all its machines serve, but for those that a
 * rollout under way replaces: one that is stuck is left by asking for something better. KUBERNETES_SKEW when Kubernetes would
 * go back, or more than a minor ahead of the oldest machine.
 */
export function mayChangeMachines(state: ClusterState, release: MachinesRelease): Result<null, ApiFailure> {
  if (state.kind !== 'gateway') return err(apiFailure('GATEWAY_WITHOUT_MACHINES'));
  if (isAskedAlready(state, release)) return ok(null);
  const [now, phase] = [releaseOf(state), phaseOf(state)];
  const isHealthy = phase === 'running' || (phase === 'updating' && state.rolling !== null);
  if (now === null || !isHealthy) return err(apiFailure('GATEWAY_NOT_HEALTHY', `Its machines are ${phase}.`));
  const oldest = state.rolling?.from ?? now;
  const steps = minorOf(release) - minorOf(oldest);
  if (steps <= 1 && !isOlder(release, now)) return ok(null);
  const from = isOlder(release, now) ? now.kubernetesVersion : oldest.kubernetesVersion;
  return err(apiFailure('KUBERNETES_SKEW', `Its machines run ${from}; ${release.kubernetesVersion} was asked for.`));
}

/** Growth waits for a rollout to end ([RO8]); that a size is there already is nothing to refuse. */
export function mayResize(state: ClusterState, size: number): Result<null, ApiFailure> {
  const grows = state.spec.pools.some((pool) => pool.role === 'control-plane' && pool.size < size);
  if (state.rolling === null || !grows) return ok(null);
  return err(apiFailure('GATEWAY_NOT_HEALTHY', 'Its machines are updating.'));
}

const partsOf = ({ kubernetesVersion }: MachinesRelease): number[] => kubernetesVersion.slice(1).split('.').map(Number);
const minorOf = (release: MachinesRelease): number => partsOf(release)[1] ?? 0;

function isOlder(one: MachinesRelease, other: MachinesRelease): boolean {
  const [, minor = 0, patch = 0] = partsOf(one);
  const [, otherMinor = 0, otherPatch = 0] = partsOf(other);
  return minor < otherMinor || (minor === otherMinor && patch < otherPatch);
}
