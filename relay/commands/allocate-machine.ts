// ensure-allocated. Allocating is MAAS's one call that must not be repeated blindly: a lost answer may have taken a machine.
// So it looks by claim first, allocates by system id only, and after an unknown outcome looks until it knows (C8, 13.2).
import type { BodyOf } from '../../shared/command.ts';
import type { SystemId } from '../../shared/ids.ts';
import type { MaasFailure } from '../../shared/maas-failure.ts';
import { type MachineFacts, missedRequirement } from '../../shared/machine.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { isOurs } from '../maas/claims.ts';
import type { MaasClient } from '../maas/client.ts';
import { allocateById, listMachines } from '../maas/machines.ts';
import { annotate, askForMachine, giveBack, isGivenBack } from './claimed-machine.ts';
import { type CommandContext, type HandlerFailure, lookAgain, type ResultOf } from './handler.ts';
import { mayPass, pause, persevere, stillUnknown } from './persevere.ts';

/** Tries of one candidate: the first, and two after looks that found nothing. */
const CALLS_PER_CANDIDATE_MAX = 3;

type Body = BodyOf<'ensure-allocated'>;
type Taken = { readonly kind: 'taken'; readonly machine: MachineFacts };
type Refused = { readonly kind: 'refused'; readonly why: string };

/**
 * One machine under the claim, marked and verified. NO_CANDIDATE_LEFT when MAAS refuses each; FACTS_MISMATCH when the one
 * got is not what was asked, after it was given back; MAAS_UNKNOWN_OUTCOME when the deadline came before certainty.
 */
export async function allocateMachine(
  body: Body,
  context: CommandContext,
  maas: MaasClient,
): Promise<Result<ResultOf<'ensure-allocated'>, HandlerFailure>> {
  const found = await findTaken(maas, body);
  if (!found.ok) return found;
  if (found.value.length > 0) context.late.took('found');
  const taken =
    found.value.length > 0 ? await keepOne(context, maas, body, found.value) : await take(context, maas, body);
  if (!taken.ok) return taken;
  const marked = await annotate(context, maas, taken.value, body.claim);
  if (!marked.ok) return marked;
  const missed = missedRequirement(marked.value, body.requirements);
  if (missed === null) return ok({ verb: 'ensure-allocated', machine: marked.value });
  const { systemId } = marked.value;
  // Nothing was written on its disks, so nothing needs erasing.
  const back = await giveBack(context, maas, marked.value, { claim: body.claim, erase: 'none' });
  if (!back.ok) return back;
  const detail = `machine ${systemId} ${missed}; it has been given back`;
  return err({ code: 'FACTS_MISMATCH', systemId, missed, detail });
}

/** The machines under the claim: by its label anywhere, by its annotation among the candidates. */
async function findTaken(maas: MaasClient, { claim, candidates }: Body): Promise<Result<MachineFacts[], MaasFailure>> {
  const user = await maas.user();
  if (!user.ok) return user;
  const owner = user.value.username;
  const labelled = await listMachines(maas, { owner, agentName: claim });
  if (!labelled.ok) return labelled;
  const near = await listMachines(maas, { owner, systemIds: candidates });
  if (!near.ok) return near;
  const found = [...near.value.filter((machine) => isOurs(machine, claim, owner)), ...labelled.value];
  const byId = new Map(
    found.filter((machine) => machine.owner === owner).map((machine) => [machine.systemId, machine]),
  );
  return ok([...byId.values()].filter((machine) => !isGivenBack(machine.status)));
}

/** A lost answer and a repeat may have left two: the marked one, or else the first, stays; the others go back (13.2 d). */
async function keepOne(
  context: CommandContext,
  maas: MaasClient,
  { claim }: Body,
  found: readonly MachineFacts[],
): Promise<Result<MachineFacts, HandlerFailure>> {
  const kept = found.find((machine) => machine.claim === claim) ?? found[0];
  if (kept === undefined) throw new Error('nothing to keep');
  const others = found.filter(({ systemId }) => systemId !== kept.systemId);
  for (const other of others) {
    context.log.warn('second-machine-under-claim', { systemId: other.systemId, kept: kept.systemId });
    const back = await giveBack(context, maas, other, { claim, erase: 'none' });
    if (!back.ok) return back;
  }
  // Giving back takes its time: what was seen of the one that stays is worth nothing by now.
  return others.length === 0 ? ok(kept) : err(lookAgain);
}

async function take(
  context: CommandContext,
  maas: MaasClient,
  body: Body,
): Promise<Result<MachineFacts, HandlerFailure>> {
  const refused: Record<string, string> = {};
  for (const systemId of body.candidates) {
    const tried = await takeCandidate(context, maas, body, systemId);
    if (!tried.ok) return tried;
    if (tried.value.kind === 'taken') return ok(tried.value.machine);
    refused[systemId] = tried.value.why;
  }
  const detail = `MAAS gave none of ${body.candidates.length} candidates`;
  return err({ code: 'NO_CANDIDATE_LEFT', refused, detail });
}

async function takeCandidate(
  context: CommandContext,
  maas: MaasClient,
  body: Body,
  systemId: SystemId,
): Promise<Result<Taken | Refused, HandlerFailure>> {
  const what = `allocate of ${systemId} got no answer`;
  let unsure = false;
  let last: HandlerFailure = { code: 'MAAS_UNKNOWN_OUTCOME', detail: what };
  for (let tries = 0; tries < CALLS_PER_CANDIDATE_MAX; tries += 1) {
    const got = await callAllocate(context, maas, body, systemId);
    if (got.ok) return ok({ kind: 'taken', machine: got.value });
    last = got.error;
    const isRefusal = last.code === 'MAAS_CONFLICT';
    if (isRefusal && !unsure)
      return ok({ kind: 'refused', why: got.error.code === 'MAAS_CONFLICT' ? got.error.detail : '' });
    if (!isRefusal && !mayPass(last)) return err(last);
    unsure ||= last.code === 'MAAS_UNKNOWN_OUTCOME';
    if (unsure) {
      const found = await persevere(context, () => findTaken(maas, body));
      if (!found.ok) return err(stillUnknown(what, found.error));
      const [machine] = found.value;
      if (machine !== undefined) {
        context.late.took('found');
        return ok({ kind: 'taken', machine });
      }
      // Refused and not ours: somebody has it now. The lost request may be served yet (C12), so this is not the claim's last word.
      if (isRefusal) return ok({ kind: 'refused', why: 'MAAS refused it after an answer was lost' });
    }
    // 13.2 c: the same candidate again before the next.
    if (!(await pause(context, tries, last))) break;
  }
  return err(unsure ? stillUnknown(what, last) : last);
}

async function callAllocate(
  context: CommandContext,
  maas: MaasClient,
  { claim }: Body,
  systemId: SystemId,
): Promise<Result<MachineFacts, HandlerFailure>> {
  const may = await context.beforeChange(`allocate ${systemId}`);
  if (!may.ok) return may;
  const got = await askForMachine(context, maas, { claim, systemId, what: 'allocate' }, async () => {
    context.ports.reach('before-allocate-call');
    const answered = await allocateById(maas, { systemId, claim });
    context.ports.reach('after-allocate-call');
    return answered;
  });
  if (!got.ok) return got;
  if (got.value !== null) return ok(got.value);
  return err({ code: 'MAAS_CONFLICT', detail: `somebody gave ${systemId} back before MAAS had answered` });
}
