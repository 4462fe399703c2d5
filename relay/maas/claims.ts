// Which machines are ours (architecture ruling 13.2): the owner is our MAAS user AND the exact agent_name filter finds it
// OR the annotation says so. agent_name dies when a release starts, annotation and owner when the machine is Ready again.
import { CLAIM_ANNOTATION, type Claim, SCOPE_ANNOTATION } from '../../shared/claim.ts';
import type { Scope, SystemId } from '../../shared/ids.ts';
import type { MaasFailure } from '../../shared/maas-failure.ts';
import type { MachineFacts } from '../../shared/machine.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { MaasClient } from './client.ts';
import { listMachines, setAnnotations } from './machines.ts';

export type ClaimedMachine = {
  readonly machine: MachineFacts;
  readonly byAgentName: boolean;
  readonly byAnnotation: boolean;
};

/**
 * Every machine under this claim: none, one, or after a lost answer and a repeat more than one. Looks among `systemIds`
 * when given (the candidates an allocate was sent for), else among all machines of our user, which is dear on a large site.
 */
export async function findByClaim(
  maas: MaasClient,
  claim: Claim,
  among: { readonly systemIds?: readonly SystemId[] } = {},
): Promise<Result<ClaimedMachine[], MaasFailure>> {
  const user = await maas.user();
  if (!user.ok) return user;
  const owner = user.value.username;
  const labelled = await listMachines(maas, { ...among, owner, agentName: claim });
  if (!labelled.ok) return labelled;
  const owned = await listMachines(maas, { ...among, owner });
  if (!owned.ok) return owned;
  const byAgentName = new Set(labelled.value.filter((each) => each.owner === owner).map((each) => each.systemId));
  // The second list is the newer look, so its facts are told; one that left it meanwhile is ours no more.
  return ok(
    owned.value
      .map((machine) => ({
        machine,
        byAgentName: machine.owner === owner && byAgentName.has(machine.systemId),
        byAnnotation: isOurs(machine, claim, owner),
      }))
      .filter((found) => found.byAgentName || found.byAnnotation),
  );
}

/** Whether facts alone prove it. False does not disprove it: directly after allocate only agent_name tells. */
export function isOurs(machine: MachineFacts, claim: Claim, user: string): boolean {
  return machine.owner === user && machine.claim === claim;
}

/** All machines of our MAAS user, for the sweep. They may hold other people's work: a claim tells, the owner alone does not. */
export async function listOwned(maas: MaasClient): Promise<Result<MachineFacts[], MaasFailure>> {
  const user = await maas.user();
  if (!user.ok) return user;
  const owner = user.value.username;
  const owned = await listMachines(maas, { owner });
  return owned.ok ? ok(owned.value.filter((machine) => machine.owner === owner)) : owned;
}

/**
 * Makes sure that the machine carries the claim as its annotation. No call when it does. MAAS_CONFLICT when it carries
 * another claim: that is somebody's and is never overwritten. The caller has proved that the machine is under this claim.
 */
export async function ensureAnnotated(
  maas: MaasClient,
  machine: MachineFacts,
  { claim, scope }: { readonly claim: Claim; readonly scope: Scope },
): Promise<Result<MachineFacts, MaasFailure>> {
  if (machine.claim === claim) return ok(machine);
  if (machine.claim !== null)
    return err({ code: 'MAAS_CONFLICT', detail: `machine ${machine.systemId} carries the claim ${machine.claim}` });
  return setAnnotations(maas, machine.systemId, {
    [CLAIM_ANNOTATION]: claim,
    [SCOPE_ANNOTATION]: `${scope.jurisdiction}/${scope.tenantId}/${scope.projectId}`,
  });
}
