// Machines of one MAAS account as typed calls. Reads may be repeated; after MAAS_UNKNOWN_OUTCOME of a change, look first.
// Which machine and whether is decided elsewhere: a call does what its name says, to the machine it names.
import { z } from 'zod';
import type { Claim } from '../../shared/claim.ts';
import type { SystemId } from '../../shared/ids.ts';
import type { MaasFailure } from '../../shared/maas-failure.ts';
import { type MachineFacts, type MachineStatus, PowerState } from '../../shared/machine.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { MaasClient, Pairs } from './client.ts';
import { filterNameOf, MachineAnswer, MachineListAnswer } from './machine-json.ts';

/** Ids in one list call: 200 make a URL of 2 KB, well below the 8 KB that nginx accepts by default. */
const IDS_PER_CALL_MAX = 200;
/** MAAS answers other characters with a 500 (recorded). */
const ANNOTATION_KEY = /^[A-Za-z0-9_.-]{1,255}$/;

type Answered<T> = Promise<Result<T, MaasFailure>>;

/** MAAS_FORBIDDEN when it belongs to somebody else, MAAS_NOT_FOUND when MAAS has no such machine. */
export function readMachine(maas: MaasClient, systemId: SystemId): Answered<MachineFacts> {
  return maas.get({ operation: 'machines.read', path: `machines/${systemId}/`, answer: MachineAnswer });
}

/** AND between the keys, OR inside one. At least one must be given: a machine is 18 KB of JSON. */
export type MachineFilter = {
  readonly systemIds?: readonly SystemId[];
  readonly owner?: string;
  /** Exact. The only use of `agent_name` that MAAS offers: it can't be read back. */
  readonly agentName?: Claim;
  readonly statuses?: readonly MachineStatus[];
};

/** Machines that this key may see and that pass `filter`. An empty list of ids or statuses matches none. */
export async function listMachines(maas: MaasClient, filter: MachineFilter): Answered<MachineFacts[]> {
  const { systemIds, owner, agentName, statuses } = filter;
  if (systemIds?.length === 0 || statuses?.length === 0) return ok([]);
  const rest: Pairs = [
    ...(owner === undefined ? [] : [['owner', owner] as const]),
    ...(agentName === undefined ? [] : [['agent_name', agentName] as const]),
    ...(statuses ?? []).map((status) => ['status', filterNameOf(status)] as const),
  ];
  if (systemIds === undefined) {
    if (rest.length > 0) return listOnce(maas, rest);
    return refused('filter', 'a list of machines must be filtered');
  }
  const found: MachineFacts[] = [];
  for (let at = 0; at < systemIds.length; at += IDS_PER_CALL_MAX) {
    const ids = systemIds.slice(at, at + IDS_PER_CALL_MAX).map((id) => ['id', id] as const);
    const some = await listOnce(maas, [...ids, ...rest]);
    if (!some.ok) return some;
    found.push(...some.value);
  }
  return ok(found);
}

const listOnce = (maas: MaasClient, query: Pairs): Answered<MachineFacts[]> =>
  maas.get({ operation: 'machines.list', path: 'machines/', query, answer: MachineListAnswer });

/**
 * Takes exactly this Ready machine and labels it with the claim in the same step. MAAS_CONFLICT: it is not Ready, not
 * there or somebody's (MAAS does not say which). Never repeat it blindly; look by claim (claims.ts).
 */
export function allocateById(
  maas: MaasClient,
  { systemId, claim }: { readonly systemId: SystemId; readonly claim: Claim },
): Answered<MachineFacts> {
  return maas.post({
    operation: 'machines.allocate',
    path: 'machines/',
    op: 'allocate',
    form: [
      ['system_id', systemId],
      ['agent_name', claim],
    ],
    // Another machine than the one asked for would be taken and unknown to us: that is an unknown outcome.
    answer: MachineAnswer.refine(
      (machine) => machine.systemId === systemId,
      'is another machine than the one asked for',
    ),
  });
}

export type Deployment = {
  readonly systemId: SystemId;
  readonly claim: Claim;
  /** As MAAS lists it: `ubuntu/noble`, or an uploaded image's name. */
  readonly image: string;
  readonly hweKernel?: string;
  readonly userData: Uint8Array;
};

/**
 * Starts the installation; answers at once with status deploying. Passes the claim too, since deploying a Ready machine
 * allocates it. MAAS_CONFLICT from any status but Ready and Allocated, also when an earlier, lost call has worked.
 */
export function deploy(
  maas: MaasClient,
  { systemId, claim, image, hweKernel, userData }: Deployment,
): Answered<MachineFacts> {
  return maas.post({
    operation: 'machines.deploy',
    path: `machines/${systemId}/`,
    op: 'deploy',
    form: [
      ['distro_series', image],
      ['agent_name', claim],
      // MAAS does not check it and serves broken base64 raw to the machine.
      ['user_data', Buffer.from(userData).toString('base64')],
      ...(hweKernel === undefined ? [] : [['hwe_kernel', hweKernel] as const]),
    ],
    answer: MachineAnswer,
  });
}

export type Erase = 'quick' | 'secure' | 'full';

/**
 * Gives the machine back; of a Ready or Releasing one a no-op, so it may be repeated once looked at. MAAS waits for the
 * power-off, so an unknown outcome is common, and after it the machine may be Deployed still with its `agent_name` gone:
 * make sure of the annotation before (claims.ts).
 */
export function release(
  maas: MaasClient,
  { systemId, erase }: { readonly systemId: SystemId; readonly erase?: Erase },
): Answered<MachineFacts> {
  return maas.post({
    operation: 'machines.release',
    path: `machines/${systemId}/`,
    op: 'release',
    form: erase === undefined ? [] : erasure(erase),
    answer: MachineAnswer,
  });
}

/** Only ever what is wanted: MAAS takes `erase=0` and `erase=no` as yes. */
function erasure(erase: Erase): Pairs {
  const all = ['erase', 'true'] as const;
  return erase === 'full' ? [all] : [all, [`${erase}_erase`, 'true']];
}

/** Sets the given annotations and keeps the others; an empty value removes one. MAAS_CONFLICT when nobody holds the machine. */
export async function setAnnotations(
  maas: MaasClient,
  systemId: SystemId,
  annotations: Readonly<Record<string, string>>,
): Answered<MachineFacts> {
  const form = Object.entries(annotations);
  // `op` would be read as the operation's name.
  const bad = form.find(([key]) => !ANNOTATION_KEY.test(key) || key === 'op');
  if (bad !== undefined) return refused(bad[0].slice(0, 100), 'MAAS takes letters, digits, _, . and - only as a key');
  return maas.post({
    operation: 'machines.set-annotations',
    path: `machines/${systemId}/`,
    op: 'set_workload_annotations',
    form,
    answer: MachineAnswer,
  });
}

/** Stops a deployment (the machine stays ours, Allocated) or a disk erasure. The answer still shows the old status. */
export function abort(maas: MaasClient, systemId: SystemId): Answered<MachineFacts> {
  const path = `machines/${systemId}/`;
  return maas.post({ operation: 'machines.abort', path, op: 'abort', form: [], answer: MachineAnswer });
}

/** Takes a machine of ours out of use and gives it back. Release a deployed one first: MAAS 3.7 mends it as "Deployed". */
export function markBroken(maas: MaasClient, systemId: SystemId, comment: string): Answered<MachineFacts> {
  return maas.post({
    operation: 'machines.mark-broken',
    path: `machines/${systemId}/`,
    op: 'mark_broken',
    form: [['comment', comment]],
    answer: MachineAnswer,
  });
}

const PowerAnswer = z.object({ state: PowerState }).transform(({ state }) => state);

/** Asks the BMC now (machine facts hold what MAAS saw last). `unknown` for manual power. */
export function queryPowerState(maas: MaasClient, systemId: SystemId): Answered<z.infer<typeof PowerState>> {
  return maas.get({
    operation: 'machines.query-power-state',
    path: `machines/${systemId}/`,
    query: [['op', 'query_power_state']],
    answer: PowerAnswer,
  });
}

const refused = (field: string, detail: string): Result<never, MaasFailure> =>
  err({ code: 'MAAS_REFUSED', fields: { [field]: [detail] }, detail: `${field}: ${detail}` });
