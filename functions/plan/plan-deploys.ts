// Pure. Deploys what is allocated: all at once, but never more than the gateway's bound (SPEC.md [MA8]).
import { DEPLOYS_IN_FLIGHT_MAX } from '../../shared/limits.ts';
import { currentMachines, type MachineRecord, subjectOf, withMachine } from './cluster-state.ts';
import { ask } from './command-for.ts';
import type { Draft } from './draft.ts';
import { revisionNow } from './gateway-rollout.ts';
import type { ResolvedProfile } from './resolve-profile.ts';

/** Only when every slot has had its machine and the address is ours: a request takes all it needs, or nothing. */
export function planDeploys(draft: Draft, { os }: ResolvedProfile): void {
  const { account, filledAt, address } = draft.state;
  if (filledAt === null || address === null || address.ip === null) return;
  for (const machine of currentMachines(draft.state)) {
    if (machine.held === null || machine.deploy?.acceptedAt != null) continue;
    if (machine.deploy === null && inFlight(draft) >= DEPLOYS_IN_FLIGHT_MAX) return;
    const enrolUntil =
      machine.deploy?.enrolUntil ?? draft.now + draft.waits.deployDeadlineMs + draft.waits.joinDeadlineMs;
    const { claim } = machine;
    const { systemId } = machine.held;
    const image = { image: os.image, hweKernel: os.hweKernel };
    const body = { verb: 'ensure-deployed' as const, account, claim, systemId, ...image, enrolUntil };
    ask(draft, subjectOf(machine), body, draft.waits.commandDeadlineMs);
    if (machine.deploy === null) {
      const deploy = { sentAt: draft.now, acceptedAt: null, enrolUntil };
      draft.state = withMachine(draft.state, { ...machine, deploy, revision: revisionNow(draft.state) });
    }
  }
}

function inFlight(draft: Draft): number {
  const deploying = (machine: MachineRecord): boolean => machine.deploy !== null && machine.enrolled === null;
  return currentMachines(draft.state).filter(deploying).length;
}
