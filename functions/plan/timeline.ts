// Pure. What happened, as plain sentences: the difference between two states (SPEC.md [WA3]).
import type { TimelineEntry } from '../../shared/cluster-view.ts';
import type { ClusterState, MachineRecord } from './cluster-state.ts';
import { phaseOf, slotPhaseOf } from './describe-cluster.ts';
import { releaseOf, rolledOut } from './gateway-rollout.ts';
import { layersOf } from './plan-layers.ts';
import { nameOf } from './plan-replacement.ts';
import { labelOf } from './plan-rollout.ts';
import { resolveProfile } from './resolve-profile.ts';
import { maasSentence, subjectLabel } from './wait-sentence.ts';

export type NewEntry = Omit<TimelineEntry, 'seq'>;

/** Nothing when nothing a user cares for changed, so repeats of a fact add no line. */
export function timelineOf(before: ClusterState | null, after: ClusterState, now: number): NewEntry[] {
  if (before === after) return [];
  const entries = [
    ...accepted(before, after),
    ...troubles(before, after),
    ...clusterLines(before, after),
    ...growthLines(before, after),
    ...rolloutLines(before, after),
    ...allMachineLines(before, after),
    ...settledLines(before, after),
    ...maasLine(before, after),
    ...phaseLine(before, after),
  ];
  return entries.map((entry) => ({ ...entry, at: now, message: entry.message.slice(0, 2_000) }));
}

type Line = Pick<NewEntry, 'kind' | 'slot' | 'message' | 'log'>;
const line = (kind: string, message: string, slot: string | null = null, log: string | null = null): Line => ({
  kind,
  slot,
  message,
  log,
});

function accepted(before: ClusterState | null, after: ClusterState): Line[] {
  if (before === null) return [line('accepted', `Cluster ${after.spec.name} accepted.`)];
  const { intent } = after;
  if (before.intent.kind === intent.kind) return [];
  const what = intent.kind === 'aborted' ? 'Abort' : 'Deletion';
  return [line(intent.kind, `${what} asked for by ${intent.actor}; everything is given back.`)];
}

function clusterLines(before: ClusterState | null, after: ClusterState): Line[] {
  const lines: Line[] = [];
  if (before?.identity == null && after.identity !== null)
    lines.push(line('identity', 'The cluster’s certificates are made.'));
  const ip = after.address?.ip ?? null;
  if (ip !== null && before?.address?.ip !== ip) {
    lines.push(line('address', `Address ${ip} (${after.address?.fqdn}) reserved for the Kubernetes API.`));
  }
  if (after.address?.releasedAt != null && before?.address?.releasedAt == null) {
    lines.push(line('address', 'The address of the Kubernetes API is given back.'));
  }
  if (after.shortage !== null && before?.shortage?.sentence !== after.shortage.sentence) {
    lines.push(line('shortage', after.shortage.sentence));
  }
  if (after.api?.ready === true && before?.api?.ready !== true)
    lines.push(line('api-server', 'The Kubernetes API answers.'));
  if (after.api?.ready === false && before?.api?.ready === true) {
    lines.push(line('api-server', `The Kubernetes API no longer answers: ${after.api.detail}`));
  }
  for (const name of newLayers(before, after)) lines.push(line('layer', `Layer ${name} is applied.`));
  if (after.gateway !== null && before !== null && before.gateway?.connected !== after.gateway.connected) {
    if (before.gateway !== null || !after.gateway.connected) {
      lines.push(
        line('gateway', after.gateway.connected ? 'The gateway is connected.' : 'The gateway is not connected.'),
      );
    }
  }
  return lines;
}

/** A line when it begins to fail, fails otherwise, or answers again ([WA5]); that it was well from the start is no news. */
function maasLine(before: ClusterState | null, after: ClusterState): Line[] {
  const [was, is] = [before?.maas?.failure ?? null, after.maas?.failure ?? null];
  if (was?.code === is?.code) return [];
  return [line('maas', is === null ? 'MAAS answers again.' : maasSentence(is))];
}

function newLayers(before: ClusterState | null, after: ClusterState): string[] {
  const subjects = after.layersApplied.filter((subject) => before?.layersApplied.includes(subject) !== true);
  const profile = subjects.length === 0 ? null : resolveProfile(after.profile, after.spec.parameters);
  if (profile === null || !profile.ok) return subjects;
  const layers = layersOf(profile.value);
  return subjects.map((subject) => layers.find((layer) => layer.subject === subject)?.name ?? subject);
}

function phaseLine(before: ClusterState | null, after: ClusterState): Line[] {
  const phase = phaseOf(after);
  if (before !== null && phaseOf(before) === phase) return [];
  const why = phase === 'failed' && after.failure !== null ? `: ${after.failure.message}` : '.';
  return [line('phase', `The cluster is ${phase}${why}`)];
}

function growthLines(before: ClusterState | null, after: ClusterState): Line[] {
  const was = before?.growing ?? null;
  const is = after.growing;
  if (is !== null && is.to !== was?.to) {
    return [line('growth', `The gateway grows from ${was?.to ?? is.from} to ${is.to} machines.`)];
  }
  return was !== null && is === null ? [line('growth', `The gateway has grown to ${was.to} machines.`)] : [];
}

/** That it begins, each machine that serves, and that it is over. */
function rolloutLines(before: ClusterState | null, after: ClusterState): Line[] {
  const [was, is, release] = [before?.rolling ?? null, after.rolling, releaseOf(after)];
  if (before === null || release === null || (was === null && is === null)) return [];
  const lines: Line[] = [];
  if (is !== null && was?.at !== is.at)
    lines.push(line('rollout', `The gateway’s machines change to ${labelOf(release)}, one after another.`));
  const [old, { done, of }] = [rolledOut(before), rolledOut(after)];
  if (was !== null && done > old.done && (is === null || was.at === is.at))
    lines.push(line('rollout', `Machine ${done} of ${of} is replaced.`));
  if (is === null) lines.push(line('rollout', `All of the gateway’s machines run ${labelOf(release)}.`));
  return lines;
}

const RELAY_WORDS = { missing: 'has no key of the gateway', away: 'is not connected', here: 'is active and connected' };

/** The first failure of a kind; its repeats are waits, not news. */
function troubles(before: ClusterState | null, after: ClusterState): Line[] {
  return Object.entries(after.troubles).flatMap(([key, trouble]) => {
    if (before?.troubles[key]?.code === trouble.code) return [];
    const verb = key.split('/')[1];
    return [line('trouble', `${verb}: ${trouble.code}: ${trouble.detail}`, subjectLabel(key))];
  });
}

/** Machines that are off the books: the claim is over. */
function settledLines(before: ClusterState | null, after: ClusterState): Line[] {
  const open = new Set(after.machines.map(({ claim }) => claim));
  const settled = (before?.machines ?? []).filter(({ claim }) => !open.has(claim));
  return settled.map((machine) =>
    machine.held === null
      ? line('machine', `${machine.slot}: others took every candidate.`, machine.slot)
      : line('machine', `${nameOf(machine)} is given back.`, machine.slot),
  );
}

function allMachineLines(before: ClusterState | null, after: ClusterState): Line[] {
  const old = new Map((before?.machines ?? []).map((machine) => [machine.claim, machine]));
  return after.machines.flatMap((machine) => machineLines(before, after, machine, old.get(machine.claim) ?? null));
}

function machineLines(
  before: ClusterState | null,
  after: ClusterState,
  machine: MachineRecord,
  old: MachineRecord | null,
): Line[] {
  const lines: Line[] = [];
  const { slot, leaving } = machine;
  const was = old === null || before === null ? null : slotPhaseOf(before, old).phase;
  const { phase } = slotPhaseOf(after, machine);
  if (leaving !== null && old?.leaving == null) {
    lines.push(line('machine', `${nameOf(machine)} goes back: ${leaving.reason}`, slot));
  }
  const lives = after.intent.kind === 'present';
  if (lives && leaving?.memberRemoved === true && old?.leaving?.memberRemoved === false) {
    lines.push(line('machine', `${nameOf(machine)} has left etcd.`, slot));
  }
  if (lives && leaving?.nodeRemoved === true && old?.leaving?.nodeRemoved === false) {
    lines.push(line('machine', `${nameOf(machine)} is removed from Kubernetes.`, slot));
  }
  if (was !== phase) lines.push(line('machine', `${nameOf(machine)} is ${phase.replace('-', ' ')}.`, slot));
  const { relay } = machine;
  if (leaving === null && relay !== null && relay.status !== old?.relay?.status) {
    lines.push(line('relay', `The relay on ${nameOf(machine)} ${RELAY_WORDS[relay.status]}.`, slot));
  }
  for (const step of machine.steps) {
    const known = old?.steps.find((candidate) => candidate.name === step.name);
    if (known?.attempt === step.attempt && known.outcome === step.outcome) continue;
    const again = step.attempt > 1 ? ` (attempt ${step.attempt})` : '';
    lines.push(line('step', `${nameOf(machine)}: step ${step.name} ${step.outcome}${again}.`, slot, step.log || null));
  }
  return lines;
}
