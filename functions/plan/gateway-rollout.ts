// Pure. How far a gateway's machines are on their way to another image or Kubernetes, and which of them may go next (SPEC.md
// [RO2]-[RO6]). Three machines lose one before its successor comes; the only one goes after its successor serves beside it.
import { WHOLE_BOOTSTRAP } from '../../shared/enrolment.ts';
import type { Waits } from '../../shared/limits.ts';
import type { MachinesRelease } from '../../shared/release.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { type ClusterState, currentMachines, isReady, type MachineRecord, slotsOf } from './cluster-state.ts';
import { mayAddMember, mayRemoveMember, type Unsafe } from './control-plane-safety.ts';
import { mayLoseRelay } from './gateway-relays.ts';
import { hashOf } from './hash-text.ts';
import { nameOf } from './plan-replacement.ts';
import { resolveProfile } from './resolve-profile.ts';

/** What machines are made of from here on; null when the profile can't be used. */
export function releaseOf(state: ClusterState): MachinesRelease | null {
  const profile = resolveProfile(state.profile, state.spec.parameters);
  if (!profile.ok) return null;
  const { os, kubernetes } = profile.value;
  const { version: kubernetesVersion, packageRepository, kubeVipImage } = kubernetes;
  return { image: os.image, kubernetesVersion, packageRepository, kubeVipImage };
}

export function revisionOf(release: MachinesRelease): string {
  const { image, kubernetesVersion, packageRepository, kubeVipImage } = release;
  return hashOf([image, kubernetesVersion, packageRepository, kubeVipImage]);
}

/** Of a machine that is deployed now. Null for a user's own cluster: its machines stay what they are. */
export function revisionNow(state: ClusterState): string | null {
  const release = state.kind === 'gateway' ? releaseOf(state) : null;
  return release === null ? null : revisionOf(release);
}

/** It runs something else than is asked. */
export function isOutdated(state: ClusterState, { revision }: MachineRecord): boolean {
  return state.rolling !== null && revision !== null && revision !== revisionNow(state);
}

/** One machine more comes first, where one less would be none, or no quorum (features §3.1). */
export function expandsFirst({ spec }: Pick<ClusterState, 'spec'>): boolean {
  return slotsOf(spec).length < 3;
}

/** Its machine is to be replaced and serves until then: the slot takes a second one beside it. */
export function isToBeJoined(state: ClusterState, inSlot: readonly MachineRecord[]): boolean {
  const [only, second] = inSlot;
  return only !== undefined && second === undefined && expandsFirst(state) && isOutdated(state, only);
}

/** Of so many machines, how many run what is asked and have served. */
export function rolledOut(state: ClusterState): { readonly done: number; readonly of: number } {
  const done = currentMachines(state).filter(
    (machine) => machine.readyAt !== null && machine.relay?.activeAt != null && !isOutdated(state, machine),
  );
  return { done: new Set(done.map(({ slot }) => slot)).size, of: slotsOf(state.spec).length };
}

/** Nothing old is left in Kubernetes; MAAS may still be taking a machine back. */
export function isRolledOut(state: ClusterState): boolean {
  const { done, of } = rolledOut(state);
  const stays = state.machines.some(
    ({ leaving }) => leaving !== null && !(leaving.memberRemoved && leaving.nodeRemoved),
  );
  return state.rolling?.toldAt != null && done === of && currentMachines(state).length === of && !stays;
}

export function versionTold(state: ClusterState, version: string, at: number): ClusterState {
  if (state.rolling === null || releaseOf(state)?.kubernetesVersion !== version) return state;
  return { ...state, rolling: { ...state.rolling, toldAt: state.rolling.toldAt ?? at } };
}

/** Which outdated machine goes next, whether it may or not: one that does not serve, else the first in the order of slots. */
export function nextToGo(state: ClusterState): MachineRecord | null {
  const place = new Map<string, number>(slotsOf(state.spec).map(({ slot }, index) => [slot, index]));
  const rank = (machine: MachineRecord): number => Number(isSteady(state, machine));
  const outdated = currentMachines(state).filter((machine) => isOutdated(state, machine));
  const [first] = outdated.sort(
    (a, b) => rank(a) - rank(b) || (place.get(a.slot) ?? 0) - (place.get(b.slot) ?? 0) || a.attempt - b.attempt,
  );
  return first ?? null;
}

/** While everything else serves, with quorum and a connected relay to spare, and nobody else on the way. */
export function mayGo(state: ClusterState, victim: MachineRecord, now: number, waits: Waits): Result<null, Unsafe> {
  const wait = (reason: string, lookAt: number | null = null): Result<null, Unsafe> => err({ reason, lookAt });
  if (state.gateway?.connected === false) return wait('the gateway to be connected');
  if (state.rolling?.toldAt == null) return wait('Kubernetes to take its new version');
  const going = state.machines.find(({ leaving }) => leaving !== null);
  if (going !== undefined) return wait(`${nameOf(going)} to be given back`);
  const others = currentMachines(state).filter(({ claim }) => claim !== victim.claim);
  const behind = others.find((other) => !isSteady(state, other));
  if (behind !== undefined) return wait(`${nameOf(behind)} to serve`);
  const busy = others.find((other) => now < bootstrapUntil(other, waits));
  if (busy !== undefined) return wait(`the bootstrap of ${nameOf(busy)} to end`, bootstrapUntil(busy, waits));
  const serving = new Set<string>(others.map(({ slot }) => slot));
  const gap = slotsOf(state.spec).find(
    ({ slot }) => !serving.has(slot) && (slot !== victim.slot || expandsFirst(state)),
  );
  if (gap !== undefined) return wait(`a machine to serve in ${gap.slot === victim.slot ? 'its place' : gap.slot}`);
  const safe = isSteady(state, victim) ? settled(state, now, waits) : ok(null);
  const removable = safe.ok ? mayRemoveMember(state, victim) : safe;
  return removable.ok ? mayLoseRelay(state, victim) : removable;
}

/** Its last steps, which remove secrets, are told to a relay that may be the one to go. A report that is lost holds nothing up for ever. */
function bootstrapUntil({ steps, readyAt }: MachineRecord, waits: Waits): number {
  const isOver = steps.some(({ name, outcome }) => name === WHOLE_BOOTSTRAP && outcome === 'succeeded');
  return isOver || readyAt === null ? 0 : readyAt + waits.joinDeadlineMs;
}

/** Its node is Ready, and its relay connected: stricter than [GW2], since the next one to go may have been the other that was. */
function isSteady(state: ClusterState, machine: MachineRecord): boolean {
  return isReady(state, machine) && machine.relay?.status === 'here';
}

/** The members are those that fill slots, by name: what etcd said before the last one came counts as many. */
function settled(state: ClusterState, now: number, waits: Waits): Result<null, Unsafe> {
  const may = mayAddMember(state, now, waits);
  if (!may.ok || state.etcd === null) return may;
  const members = new Set(state.etcd.members.map(({ name }) => name));
  const absent = currentMachines(state).find(
    ({ role, held }) => role === 'control-plane' && !members.has(held?.hostname ?? ''),
  );
  return absent === undefined ? may : err({ reason: `etcd to name ${nameOf(absent)} as a member`, lookAt: null });
}
