// How far an installation is, as lines for a person: one for each change, with the seconds since the beginning.
import type { InstallationState } from '../../shared/installation.ts';

/** What is shown of a gateway's machines, whether an installer's session or the API says it. */
export type MachinesState = Pick<InstallationState, 'phase' | 'waitingOn' | 'machines'>;
type Machine = MachinesState['machines'][number];

export const NOTHING_YET: MachinesState = { phase: null, waitingOn: [], machines: [] };

export type Progress = {
  readonly note: (text: string) => void;
  /** Prints what is new in it. */
  readonly show: (state: MachinesState) => void;
};

/** @param elapsedMs since the beginning */
export function createProgress(elapsedMs: () => number, say: (line: string) => void): Progress {
  let before = NOTHING_YET;
  const note = (text: string): void => say(`${(elapsedMs() / 1_000).toFixed(1).padStart(7)} s  ${text}`);
  return {
    note,
    show: (state) => {
      for (const line of changes(before, state)) note(line);
      before = state;
    },
  };
}

export function changes(before: MachinesState, now: MachinesState): string[] {
  const phase = now.phase !== null && now.phase !== before.phase ? [`gateway: ${now.phase}`] : [];
  const machines = now.machines.flatMap((machine) => {
    const known = before.machines.find(({ slot }) => slot === machine.slot);
    const lines = [machineLine(machine), ...(machine.relay === null ? [] : [relayLine(machine)])];
    const old = known === undefined ? [] : [machineLine(known), relayLine(known)];
    return lines.filter((line) => !old.includes(line));
  });
  const gone = before.machines.filter(({ slot }) => now.machines.every((machine) => machine.slot !== slot));
  return [
    ...phase,
    ...machines,
    ...gone.map((machine) => `machine ${nameOf(machine)}: gone`),
    ...waits(now).filter((sentence) => !waits(before).includes(sentence)),
  ];
}

/** "7 of at most 75 minutes" changes with each look; the line should not. */
const waits = ({ waitingOn }: MachinesState): string[] =>
  waitingOn.map((sentence) => sentence.replace(/\b\d+ of at most (?=\d+ (?:seconds|minutes|hours))/, 'at most '));

const nameOf = ({ slot, hostname }: Pick<Machine, 'slot' | 'hostname'>): string =>
  hostname === null ? slot : `${slot} (${hostname})`;

const machineLine = (machine: Machine): string => `machine ${nameOf(machine)}: ${machine.phase}`;

function relayLine(machine: Machine): string {
  const relay = machine.relay;
  if (relay === null) return `machine ${nameOf(machine)}: no relay`;
  const state = { paired: 'paired', 'waiting-for-key': 'waits for the gateway’s key', active: 'active' }[relay.state];
  return `machine ${nameOf(machine)}: its relay is ${relay.connected ? 'connected' : 'away'}, ${state}`;
}
