// One machine under a claim: is it (still) ours, mark it so, give it back (architecture ruling 13.2).
import type { Claim } from '../../shared/claim.ts';
import type { SystemId } from '../../shared/ids.ts';
import type { MaasFailure } from '../../shared/maas-failure.ts';
import type { MachineFacts, MachineStatus } from '../../shared/machine.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { ensureAnnotated, findByClaim, isOurs } from '../maas/claims.ts';
import type { MaasClient } from '../maas/client.ts';
import { type Erase, readMachine, release } from '../maas/machines.ts';
import type { CommandContext, HandlerFailure } from './handler.ts';
import { mayPass, pause, persevere, stillUnknown } from './persevere.ts';

/** Calls to release one machine in one command; then the planner decides (RELEASE_TRIES_MAX). */
const RELEASE_CALLS_MAX = 3;

/** The machine when it is under this claim; null when it is free, gone, or somebody's. */
export async function lookAt(
  maas: MaasClient,
  systemId: SystemId,
  claim: Claim,
): Promise<Result<MachineFacts | null, MaasFailure>> {
  const user = await maas.user();
  if (!user.ok) return user;
  const read = await readMachine(maas, systemId);
  if (!read.ok) {
    const { code } = read.error;
    // Forbidden: it belongs to somebody else.
    return code === 'MAAS_NOT_FOUND' || code === 'MAAS_FORBIDDEN' ? ok(null) : read;
  }
  const machine = read.value;
  if (isOurs(machine, claim, user.value.username)) return ok(machine);
  if (machine.owner !== user.value.username || machine.claim !== null) return ok(null);
  // Between allocate and annotate only agent_name tells.
  const found = await findByClaim(maas, claim, { systemIds: [systemId] });
  return found.ok ? ok(found.value[0]?.machine ?? null) : found;
}

/**
 * Makes sure of the annotation, until the deadline. NOT_OURS when the machine carries another claim or nobody holds it.
 * @param machine as it was seen a moment ago: the first call rests on it, each after that on a look of its own
 */
export async function annotate(
  context: CommandContext,
  maas: MaasClient,
  machine: MachineFacts,
  claim: Claim,
): Promise<Result<MachineFacts, HandlerFailure>> {
  if (machine.claim === claim) return ok(machine);
  const { scope } = context.command;
  const { systemId } = machine;
  let seen: MachineFacts | null = machine;
  const annotated = await persevere<MachineFacts>(context, async () => {
    // A call without an answer takes half a minute, in which a person may give it back and another claim get it.
    const looked = seen === null ? await lookAt(maas, systemId, claim) : ok(seen);
    seen = null;
    if (!looked.ok) return looked;
    if (looked.value === null)
      return err({ code: 'NOT_OURS', detail: `machine ${systemId} is not under the claim ${claim} any more` });
    if (looked.value.claim === claim) return ok(looked.value);
    const may = await context.beforeChange(`annotate ${systemId}`);
    if (!may.ok) return may;
    context.ports.reach('before-annotate');
    return ensureAnnotated(maas, looked.value, { claim, scope });
  });
  context.ports.reach('after-annotate');
  if (annotated.ok) return annotated;
  if (annotated.error.code === 'MAAS_CONFLICT') return err({ code: 'NOT_OURS', detail: annotated.error.detail });
  return err(stillUnknown(`machine ${systemId} is not yet marked as ours`, annotated.error));
}

/** For so long after MAAS was asked its answer is acted upon. A call may take half a minute. */
const MOMENT_MS = 5_000;

/**
 * A request that takes a machine for its claim, minded if it gets no answer (C12). If the answer took long, what is true now: a
 * person may have given the machine back meanwhile, and another claim got it. Null when it is not under the claim any more.
 * @param request what is called and nothing else; made once
 */
export async function askForMachine(
  context: CommandContext,
  maas: MaasClient,
  { claim, systemId, what }: { readonly claim: Claim; readonly systemId: SystemId; readonly what: string },
  request: () => Promise<Result<MachineFacts, MaasFailure>>,
): Promise<Result<MachineFacts | null, HandlerFailure>> {
  const { clock } = context.ports;
  const askedMs = clock.monotonicMs();
  const answered = await request();
  if (!answered.ok) {
    if (answered.error.code === 'MAAS_UNKNOWN_OUTCOME') context.late.unanswered();
    return answered;
  }
  context.late.took('answered');
  if (clock.monotonicMs() - askedMs <= MOMENT_MS) return answered;
  const now = await persevere(context, () => lookAt(maas, systemId, claim));
  return now.ok ? now : err(stillUnknown(`${what} of ${systemId} was answered late`, now.error));
}

export type GivenBack = { readonly systemId: SystemId; readonly status: MachineStatus };

export type GiveBack = {
  readonly claim: Claim;
  readonly erase: Erase | 'none';
  /** Asked anew directly before each call: what it says is the truth of a moment. */
  readonly mayGo?: () => Promise<Result<null, HandlerFailure>>;
};

/**
 * Asks MAAS to take a machine of ours back, marked with its claim first: a release that the BMC refuses would otherwise
 * leave it Deployed and nobody's (13.2 b). MAAS_CONFLICT when MAAS does not do it.
 */
export async function giveBack(
  context: CommandContext,
  maas: MaasClient,
  machine: MachineFacts,
  order: GiveBack,
): Promise<Result<GivenBack, HandlerFailure>> {
  const { systemId } = machine;
  let seen = machine;
  let refusal = '';
  for (let tries = 0; tries < RELEASE_CALLS_MAX; tries += 1) {
    if (isGivenBack(seen.status)) return ok({ systemId, status: seen.status });
    const marked = await annotate(context, maas, seen, order.claim);
    if (!marked.ok) return marked;
    const may = (await order.mayGo?.()) ?? ok(null);
    if (!may.ok) return may;
    const asked = await callRelease(context, maas, systemId, order.erase);
    if (asked.ok) return ok({ systemId, status: asked.value.status });
    if (!mayPass(asked.error)) return asked;
    refusal = 'detail' in asked.error ? asked.error.detail : '';
    const looked = await persevere(context, () => lookAt(maas, systemId, order.claim));
    if (!looked.ok) return err(stillUnknown(`release of ${systemId} got no answer`, looked.error));
    if (looked.value === null) return ok({ systemId, status: 'ready' });
    seen = looked.value;
    if (!isGivenBack(seen.status) && !(await pause(context, tries, asked.error))) break;
  }
  if (isGivenBack(seen.status)) return ok({ systemId, status: seen.status });
  return err({ code: 'MAAS_CONFLICT', detail: `MAAS left ${systemId} ${seen.status}: ${refusal}` });
}

async function callRelease(
  context: CommandContext,
  maas: MaasClient,
  systemId: SystemId,
  erase: Erase | 'none',
): Promise<Result<MachineFacts, HandlerFailure>> {
  const may = await context.beforeChange(`release ${systemId}`);
  if (!may.ok) return may;
  context.ports.reach('before-release-call');
  const asked = await release(maas, { systemId, ...(erase === 'none' ? {} : { erase }) });
  context.ports.reach('after-release-call');
  return asked;
}

/** Released, or on its way there without our doing more. */
export function isGivenBack(status: MachineStatus): boolean {
  return status === 'ready' || status === 'releasing' || status === 'disk-erasing';
}
