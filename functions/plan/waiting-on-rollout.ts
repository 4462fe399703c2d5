// Pure. What a gateway whose machines are replaced waits for: how far it is, who is next, and a spare machine ([RO4], [RO7], [WA1]).
import type { WaitingOnView } from '../../shared/cluster-view.ts';
import type { Waits } from '../../shared/limits.ts';
import { type ClusterState, currentMachines, type MachineRecord } from './cluster-state.ts';
import { isToBeJoined, mayGo, nextToGo, releaseOf, rolledOut } from './gateway-rollout.ts';
import { nameOf } from './plan-replacement.ts';
import { labelOf } from './plan-rollout.ts';

export function rolloutWaits(state: ClusterState, now: number, waits: Waits): WaitingOnView[] {
  const release = releaseOf(state);
  if (state.rolling === null || release === null) return [];
  const { done, of } = rolledOut(state);
  const { at: since } = state.rolling;
  const next = nextToGo(state);
  const may = next === null ? null : mayGo(state, next, now, waits);
  const unsafe = may === null || may.ok ? null : may.error;
  const turn = next === null || unsafe === null ? '' : ` ${nameOf(next)} is next, after waiting for ${unsafe.reason}.`;
  const sentence = `${done} of ${of} machines run ${labelOf(release)}.${turn}`;
  const deadlineAt = unsafe?.lookAt ?? since + waits.shortageDeadlineMs;
  return [{ code: 'rolling-out', slot: next?.slot ?? null, sentence, since, deadlineAt }];
}

/** The machine for which a spare one is looked for; null when none is. */
export function waitsForSpare(state: ClusterState): MachineRecord | null {
  return currentMachines(state).find((machine) => isToBeJoined(state, inSlotOf(state, machine))) ?? null;
}

const inSlotOf = (state: ClusterState, { slot }: MachineRecord): MachineRecord[] =>
  currentMachines(state).filter((machine) => machine.slot === slot);
