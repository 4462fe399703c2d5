// `machines/{id}/?op=deploy`: allocates a Ready machine by itself, answers at once, and lets the machine boot (maas.md §5.2).

import { ok } from '../../../shared/result.ts';
import { claimAddress } from './addresses.ts';
import { acquire, agentNameTooLong } from './allocate.ts';
import { failDeployment, startInstallation } from './boot.ts';
import { addEvent } from './events.ts';
import { type Fields, lastOf, looseFlag } from './fields.ts';
import { chooseSystem } from './images.ts';
import { type Machine, snapshot } from './machine.ts';
import { badRequest, conflict, forbidden, notModelled, type Outcome } from './refusal.ts';
import { moveTo, nextId, type Region } from './region.ts';
import { mayEdit, type User } from './users-and-keys.ts';

/** Real parameters that change what the machine becomes. Others, typing mistakes included, are silently ignored by MAAS. */
const UNMODELLED = [
  'install_kvm',
  'register_vmhost',
  'enable_hw_sync',
  'bridge_all',
  'vcenter_registration',
  'enable_kernel_crash_dump',
];

/**
 * A refused deploy changes nothing. The answer still shows no address: MAAS claims it after the commit. From any status
 * but Ready and Allocated a conflict, so a blind repeat is refused while the first one goes on.
 */
export function deploy(region: Region, caller: User, machine: Machine, fields: Fields): Outcome<Machine> {
  const mine = mayEdit(caller, machine) || (machine.owner === null && machine.status === 'Ready');
  if (!mine || machine.locked) return forbidden();
  if (machine.status !== 'Ready' && machine.status !== 'Allocated') {
    return conflict(`Can't deploy a machine that is in the '${machine.status}' state`);
  }
  if (looseFlag(fields, 'install_rackd')) {
    return badRequest("Deploying a machine as a rackd has been disabled and it's not supported anymore.");
  }
  const unmodelled = UNMODELLED.find((name) => looseFlag(fields, name));
  if (unmodelled !== undefined) return notModelled(`deploy with ${unmodelled}`);
  const system = chooseSystem(region, lastOf(fields, 'distro_series'), lastOf(fields, 'hwe_kernel'));
  if (!system.ok) return system;
  const agentName = lastOf(fields, 'agent_name') ?? '';
  if (agentName.length > 255) return agentNameTooLong(agentName);
  // The agent_name of an earlier allocate stays; only a Ready machine takes the one given here.
  if (machine.status === 'Ready') acquire(region, caller, machine, agentName);
  machine.osystem = system.value.osystem;
  machine.distroSeries = system.value.series;
  machine.hweKernel = system.value.kernel;
  machine.minHweKernel = '';
  machine.installationResultId = nextId(region, 'result');
  machine.errorDescription = '';
  machine.ephemeral = looseFlag(fields, 'ephemeral_deploy');
  machine.userData = decodeUserData(lastOf(fields, 'user_data'));
  moveTo(region, machine, 'Deploying');
  addEvent(region, machine, 'Deploying');
  const answer = snapshot(machine);
  if (claimAddress(region, machine)) startInstallation(region, machine);
  else failDeployment(region, machine, 'Failed to allocate the required AUTO IP addresses');
  return ok(answer);
}

/** Text that is not base64 is kept as it is, and served so (maas.md §5.2). */
function decodeUserData(text: string | undefined): Uint8Array | null {
  if (text === undefined || text === '') return null;
  const bare = text.replaceAll(/\s/g, '');
  const isBase64 = bare.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(bare);
  return isBase64 ? new Uint8Array(Buffer.from(bare, 'base64')) : new TextEncoder().encode(text);
}
