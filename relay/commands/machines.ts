// ensure-allocated, ensure-deployed and ensure-released. Each looks first and acts only on a machine under its claim.

import type { Claim } from '../../shared/claim.ts';
import type { BodyOf } from '../../shared/command.ts';
import type { AccountId, EpochMs, SystemId } from '../../shared/ids.ts';
import type { MaasFailure } from '../../shared/maas-failure.ts';
import type { MachineFacts } from '../../shared/machine.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { ClusterDial } from '../kubernetes/connect.ts';
import { findByClaim } from '../maas/claims.ts';
import type { MaasClient } from '../maas/client.ts';
import { deploy, listMachines } from '../maas/machines.ts';
import { allocateMachine } from './allocate-machine.ts';
import { annotate, askForMachine, type GivenBack, giveBack, lookAt } from './claimed-machine.ts';
import type { CommandContext, Handler, HandlerFailure, Handlers, ResultOf } from './handler.ts';
import { isNoMember } from './members.ts';
import { mayPass, pause, persevere, stillUnknown } from './persevere.ts';

const DEPLOY_CALLS_MAX = 3;

export type MachinePorts = {
  readonly dial: Pick<ClusterDial, 'etcd'>;
  /** The user-data with which a machine enrols; the same order gives the same bytes. */
  readonly userDataFor: (order: { claim: Claim; systemId: SystemId; enrolUntil: EpochMs }) => Uint8Array;
  /** A machine is changing: the shared poll looks at it more often. */
  readonly touched: (accountId: AccountId, systemId: SystemId) => void;
};

type MachineVerb = 'ensure-allocated' | 'ensure-deployed' | 'ensure-released';

export function createMachineHandlers(ports: MachinePorts): Pick<Handlers, MachineVerb> {
  return {
    'ensure-allocated': async (body, context) => {
      const maas = await context.maas(body.account);
      if (!maas.ok) return maas;
      const allocated = await allocateMachine(body, context, maas.value);
      if (allocated.ok) ports.touched(body.account.accountId, allocated.value.machine.systemId);
      return allocated;
    },
    'ensure-deployed': deployHandler(ports),
    'ensure-released': releaseHandler(ports),
  };
}

/**
 * Deploying and Deployed are what was asked. NOT_OURS for a machine that is not under the claim, a Ready one above all:
 * deploying it would allocate it anew. MAAS_CONFLICT from any other status.
 */
function deployHandler(ports: MachinePorts): Handler<'ensure-deployed'> {
  return async (body, context) => {
    const maas = await context.maas(body.account);
    if (!maas.ok) return maas;
    const { systemId, claim } = body;
    let last: HandlerFailure = { code: 'MAAS_UNKNOWN_OUTCOME', detail: `deploy of ${systemId} got no answer` };
    for (let tries = 0; tries < DEPLOY_CALLS_MAX; tries += 1) {
      const look = () => lookAt(maas.value, systemId, claim);
      const seen = tries === 0 ? await look() : await persevere(context, look);
      if (!seen.ok) return tries === 0 ? seen : err(stillUnknown(`deploy of ${systemId} got no answer`, seen.error));
      const verdict = deployable(seen.value, body);
      if (!verdict.ok) return verdict;
      if (verdict.value === 'done' && seen.value !== null) {
        context.late.took('found');
        return markDeployed(context, maas.value, seen.value, claim);
      }
      const deployed = await deployAllocated(ports, body, context, maas.value, seen.value);
      ports.touched(body.account.accountId, systemId);
      if (deployed.ok) return markDeployed(context, maas.value, deployed.value, claim);
      last = deployed.error;
      // A conflict may be the echo of an earlier call whose answer was lost: the next look tells.
      if (last.code !== 'MAAS_CONFLICT' && !mayPass(last)) return err(last);
      if (!(await pause(context, tries, last))) break;
    }
    return err(last);
  };
}

/** A deploy that MAAS serves late takes anew what was given back meanwhile: under our agent_name, which the next release forgets. */
async function markDeployed(
  context: CommandContext,
  maas: MaasClient,
  deployed: MachineFacts,
  claim: Claim,
): Promise<Result<ResultOf<'ensure-deployed'>, HandlerFailure>> {
  const marked = await annotate(context, maas, deployed, claim);
  return marked.ok ? ok({ verb: 'ensure-deployed', machine: marked.value }) : marked;
}

function deployable(
  machine: MachineFacts | null,
  { systemId, claim }: BodyOf<'ensure-deployed'>,
): Result<'done' | 'allocated', HandlerFailure> {
  if (machine === null || machine.status === 'ready') return err(notUnder(systemId, claim));
  if (machine.status === 'deploying' || machine.status === 'deployed') return ok('done');
  if (machine.status === 'allocated') return ok('allocated');
  const words = machine.errorDescription === '' ? '' : `: ${machine.errorDescription}`;
  return err({ code: 'MAAS_CONFLICT', detail: `machine ${systemId} is ${machine.status}${words}` });
}

const notUnder = (systemId: SystemId, claim: Claim): HandlerFailure => ({
  code: 'NOT_OURS',
  detail: `machine ${systemId} is not under the claim ${claim}`,
});

async function deployAllocated(
  ports: MachinePorts,
  body: BodyOf<'ensure-deployed'>,
  context: CommandContext,
  maas: MaasClient,
  machine: MachineFacts | null,
): Promise<Result<MachineFacts, HandlerFailure>> {
  if (machine === null) throw new Error('deployable() lets no absent machine pass');
  const { systemId, claim, image, hweKernel, enrolUntil } = body;
  const marked = await annotate(context, maas, machine, claim);
  if (!marked.ok) return marked;
  const userData = ports.userDataFor({ claim, systemId, enrolUntil });
  const may = await context.beforeChange(`deploy ${systemId}`);
  if (!may.ok) return may;
  const order = { systemId, claim, image, userData, ...(hweKernel === null ? {} : { hweKernel }) };
  const got = await askForMachine(context, maas, { claim, systemId, what: 'deploy' }, async () => {
    context.ports.reach('before-deploy-call');
    const answered = await deploy(maas, order);
    context.ports.reach('after-deploy-call');
    return answered;
  });
  if (!got.ok) return got;
  return got.value === null ? err(notUnder(systemId, claim)) : ok(got.value);
}

/** Everything under the claim goes back; a machine that is not (or no longer) under it is not touched (13.2 e), nor a member of etcd. */
function releaseHandler(ports: MachinePorts): Handler<'ensure-released'> {
  return async (body, context) => {
    const maas = await context.maas(body.account);
    if (!maas.ok) return maas;
    const found = await findStanding(maas.value, body);
    if (!found.ok) return found;
    const { claim, erase, seat } = body;
    const mayGo = async () => (seat === undefined ? ok(null) : isNoMember(ports.dial, context, seat));
    const machines: GivenBack[] = [];
    for (const machine of found.value) {
      const back = await giveBack(context, maas.value, machine, { claim, erase, mayGo });
      ports.touched(body.account.accountId, machine.systemId);
      if (!back.ok) return back;
      machines.push(back.value);
    }
    return ok({ verb: 'ensure-released', machines });
  };
}

/** By the claim, and by the system id if it is still ours. Without an id the annotations of all our machines are read. */
async function findStanding(
  maas: MaasClient,
  { claim, systemId }: BodyOf<'ensure-released'>,
): Promise<Result<MachineFacts[], MaasFailure>> {
  if (systemId === null) {
    const found = await findByClaim(maas, claim);
    return found.ok ? ok(found.value.map(({ machine }) => machine)) : found;
  }
  const user = await maas.user();
  if (!user.ok) return user;
  const owner = user.value.username;
  const labelled = await listMachines(maas, { owner, agentName: claim });
  if (!labelled.ok) return labelled;
  const named = await lookAt(maas, systemId, claim);
  if (!named.ok) return named;
  const found = [...labelled.value.filter((machine) => machine.owner === owner), ...(named.value ? [named.value] : [])];
  return ok([...new Map(found.map((machine) => [machine.systemId, machine])).values()]);
}
