// Pure. An upgrade as people read it: how far it is, what it waits for, and what happened (SPEC.md [UP10]).
import type { TimelineEntry, WaitingOnView } from '../../shared/cluster-view.ts';
import type { EpochMs } from '../../shared/ids.ts';
import { SHORTAGE_DEADLINE_MS, UPGRADE_NODE_DEADLINE_MS } from '../../shared/limits.ts';
import type { GatewayUpgradeView } from '../../shared/release.ts';
import { isBefore } from './upgrade-offer.ts';
import type { UpgradeFacts, UpgradeState } from './upgrade-state.ts';
import { elapsed } from './wait-sentence.ts';

export function describeUpgrade(state: UpgradeState, facts: UpgradeFacts, now: EpochMs): GatewayUpgradeView {
  const { from, to, stage, window, requestedAt, startedAt, endedAt, failure } = state;
  const shown = { from, to, stage, window, requestedAt, startedAt, endedAt, failure };
  return { ...shown, waitingOn: upgradeWaits(state, facts, now) };
}

export function upgradeWaits(state: UpgradeState, { nodes, machines }: UpgradeFacts, now: EpochMs): WaitingOnView[] {
  const { stage, window, requestedAt, to, machinesSince } = state;
  if (stage === 'scheduled') {
    const isOpen = window === null || now >= window.startsAt;
    const deadlineAt = window?.endsAt ?? null;
    const sentence = isOpen
      ? 'Waiting for a relay of the gateway to connect, so that its upgrade can begin.'
      : `Waiting for the maintenance window, from ${timeOf(window.startsAt)} to ${timeOf(window.endsAt)}.`;
    const code = isOpen ? 'gateway-offline' : 'maintenance-window';
    return [
      { code, slot: null, sentence, since: isOpen ? (window?.startsAt ?? requestedAt) : requestedAt, deadlineAt },
    ];
  }
  if (stage === 'relays') return turnWait(state, nodes, now);
  if (stage !== 'machines') return [];
  const since = machinesSince ?? requestedAt;
  const sentence = `Waiting for the machines of the gateway to run release ${to}, one after another.`;
  const own = { code: 'machines', slot: null, sentence, since, deadlineAt: since + SHORTAGE_DEADLINE_MS };
  return [own, ...(machines?.waitingOn ?? [])];
}

function turnWait({ turn, to }: UpgradeState, nodes: UpgradeFacts['nodes'], now: EpochMs): WaitingOnView[] {
  if (turn === null) return [];
  const { nodeId, hostname, sentAt, trouble } = turn;
  const since = sentAt ?? turn.since;
  const deadlineAt = since + UPGRADE_NODE_DEADLINE_MS;
  const time = elapsed(since, now, UPGRADE_NODE_DEADLINE_MS);
  if (sentAt === null) {
    const sentence = `Waiting for the relay on ${hostname} (${nodeId}) to connect, ${time}. Start it, or remove it from the gateway.`;
    return [{ code: 'relay-offline', slot: null, sentence, since, deadlineAt }];
  }
  const node = nodes.find((one) => one.nodeId === nodeId);
  const runs = node !== undefined && !isBefore(node.version, to);
  const words = [
    ...(trouble === null ? [] : [trouble]),
    ...(runs ? ['it has begun, and may still be rolled back'] : []),
    ...(node?.connected === true ? [] : ['not connected now']),
  ].join('; ');
  const sentence = `Waiting for the relay on ${hostname} to run ${to}, ${time}${words === '' ? '' : ` (${words})`}.`;
  return [{ code: 'relay-exchange', slot: null, sentence: sentence.slice(0, 1_000), since, deadlineAt }];
}

export type GatewayLine = Pick<TimelineEntry, 'kind' | 'message'>;

/** The difference of two states, so what is repeated adds no line. */
export function upgradeLines(before: UpgradeState | null, after: UpgradeState, facts: UpgradeFacts): GatewayLine[] {
  const was = before?.number === after.number ? before : null;
  const lines: string[] = [];
  const { to, window, actor } = after;
  if (was === null) {
    const when = window === null ? '' : ` in the window from ${timeOf(window.startsAt)} to ${timeOf(window.endsAt)}`;
    lines.push(`Upgrade to ${to} asked for by ${actor}${when}.`);
  }
  if (after.startedAt !== null && was?.startedAt == null) lines.push(`The upgrade to ${to} begins.`);
  for (const nodeId of after.exchanged.filter((one) => was?.exchanged.includes(one) !== true)) {
    const host = facts.nodes.find((node) => node.nodeId === nodeId)?.hostname ?? nodeId;
    lines.push(`The relay on ${host} runs ${to}.`);
  }
  if (after.machinesSince !== null && was?.machinesSince == null)
    lines.push('The relays are done; the machines are replaced one after another.');
  if (was?.stage !== after.stage) lines.push(...endLine(after));
  return lines.map((message) => ({ kind: 'upgrade', message: message.slice(0, 2_000) }));
}

function endLine({ stage, to, failure, window }: UpgradeState): string[] {
  switch (stage) {
    case 'done':
      return [`The gateway runs ${to}.`];
    case 'failed':
      return [`The upgrade to ${to} failed: ${failure?.code ?? ''}: ${failure?.message ?? ''}`];
    case 'missed':
      return [
        `The upgrade to ${to} was missed: its window ended at ${timeOf(window?.endsAt ?? 0)} before it could begin.`,
      ];
    case 'cancelled':
      return [`The upgrade to ${to} is cancelled.`];
    default:
      return [];
  }
}

/** UTC, to the minute. */
const timeOf = (at: EpochMs): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
