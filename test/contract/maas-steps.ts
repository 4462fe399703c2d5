// Steps that bring the recorded site into a start state, in the words of the status machine.

import { abort } from '../lab/maas/abort.ts';
import { reserveAddress } from '../lab/maas/addresses.ts';
import { allocate } from '../lab/maas/allocate.ts';
import { failDeployment, userDataFetched } from '../lab/maas/boot.ts';
import { markBroken, markFixed } from '../lab/maas/broken.ts';
import { deploy } from '../lab/maas/deploy.ts';
import { createDnsResource, updateDnsResource } from '../lab/maas/dns.ts';
import { createDnsRecord } from '../lab/maas/dns-records.ts';
import { fieldsFrom } from '../lab/maas/fields.ts';
import { blankMachine } from '../lab/maas/machine.ts';
import type { MachineStatus } from '../lab/maas/machine-status.ts';
import type { Outcome } from '../lab/maas/refusal.ts';
import { release } from '../lab/maas/release.ts';
import type { User } from '../lab/maas/users-and-keys.ts';
import { ERASE_MS, type Rig, type Step } from './maas-rig.ts';

type By = 'admin' | 'alice';

const user = (rig: Rig, by: By): User => (by === 'admin' ? rig.admin : rig.alice);
const fields = (given: Record<string, string> = {}) => fieldsFrom(Object.entries(given));

function must<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new Error(`the start state cannot be made: ${JSON.stringify(outcome.error)}`);
  return outcome.value;
}

export const allocated =
  (hostname: string, by: By = 'admin', agentName = ''): Step =>
  (rig) => {
    must(
      allocate(rig.region, user(rig, by), fields({ system_id: rig.machine(hostname).systemId, agent_name: agentName })),
    );
  };

export const annotated =
  (hostname: string, annotations: Record<string, string>): Step =>
  (rig) => {
    Object.assign(rig.machine(hostname).annotations, annotations);
  };

export const deploying =
  (hostname: string, given: Record<string, string> = { distro_series: 'jammy' }, by: By = 'admin'): Step =>
  (rig) => {
    must(deploy(rig.region, user(rig, by), rig.machine(hostname), fields(given)));
  };

export const deployed =
  (hostname: string, given: Record<string, string> = { distro_series: 'jammy' }, by: By = 'admin'): Step =>
  (rig) => {
    must(deploy(rig.region, user(rig, by), rig.machine(hostname), fields(given)));
    const machine = rig.machine(hostname);
    if (machine.powerType === 'ipmi') machine.powerState = 'on';
    userDataFetched(rig.region, machine);
  };

export const failedDeployment =
  (hostname: string): Step =>
  (rig) => {
    must(deploy(rig.region, rig.admin, rig.machine(hostname), fields({ distro_series: 'jammy' })));
    failDeployment(rig.region, rig.machine(hostname), "Node operation 'Deploying' timed out after 30 minutes.");
  };

/** Starts a release; what it answers is not waited for. */
export const released =
  (hostname: string, given: Record<string, string> = {}): Step =>
  (rig) => {
    release(rig.region, rig.admin, rig.machine(hostname), fields(given), () => undefined);
  };

/** Lets jobs of no length end. */
export const settled: Step = () => new Promise((resolve) => setImmediate(resolve));

export const neverInstalled =
  (hostname: string): Step =>
  (rig) => {
    rig.machine(hostname).installationResultId = null;
  };

export const erased = (hostname: string): Step[] => [
  released(hostname, { erase: 'true' }),
  (rig) => rig.pass(ERASE_MS),
];

export const aborted =
  (hostname: string): Step =>
  (rig) => {
    must(abort(rig.region, rig.admin, rig.machine(hostname)));
  };

export const broken =
  (hostname: string, comment: string): Step =>
  (rig) => {
    must(markBroken(rig.region, rig.admin, rig.machine(hostname), fields({ comment })));
  };

export const repaired =
  (hostname: string): Step =>
  (rig) => {
    must(markFixed(rig.region, rig.admin, rig.machine(hostname)));
  };

/** A status that the lab itself never reaches. */
export const inStatus =
  (hostname: string, status: MachineStatus): Step =>
  (rig) => {
    rig.machine(hostname).status = status;
  };

export const powerOffHangs: Step = (rig) => {
  rig.holdPowerOff = true;
};

export const bmcRefuses =
  (hostname: string): Step =>
  (rig) => {
    rig.machine(hostname).bmcRefusals = 1;
  };

export const noRackConnected: Step = (rig) => {
  rig.region.rackConnected = false;
};

export const locked =
  (hostname: string): Step =>
  (rig) => {
    rig.machine(hostname).locked = true;
  };

export const described =
  (hostname: string, description: string, newName = hostname): Step =>
  (rig) => {
    Object.assign(rig.machine(hostname), { description, hostname: newName });
  };

export const newMachine: Step = (rig) => {
  rig.region.machines.set('y7p8ee', blankMachine(rig.region, 'y7p8ee', 'api-made', '52:54:00:11:22:33'));
};

export const noMachines: Step = (rig) => rig.region.machines.clear();

export const reserved =
  (ip: string, hostname = '', by: By = 'admin'): Step =>
  (rig) => {
    must(reserveAddress(rig.region, user(rig, by), fields({ ip, hostname })));
  };

/** A name with the id that the recorded request names. */
export const named =
  (fqdn: string, ips: string, id?: number, ttl?: string): Step =>
  (rig) => {
    if (id !== undefined) rig.region.counters.set('dns', id - 1);
    const given = { fqdn, ip_addresses: ips, ...(ttl === undefined ? {} : { address_ttl: ttl }) };
    must(createDnsResource(rig.region, rig.admin, fields(given)));
  };

export const renumbered =
  (id: number, ips: string): Step =>
  (rig) => {
    must(updateDnsResource(rig.region, rig.admin, String(id), fields({ ip_addresses: ips })));
  };

export const withRecord =
  (fqdn: string, type: string, text: string): Step =>
  (rig) => {
    must(createDnsRecord(rig.region, rig.admin, fields({ fqdn, rrtype: type, rrdata: text })));
  };

export const without =
  (kind: 'zones' | 'pools' | 'tags' | 'domains', name: string): Step =>
  (rig) => {
    const list: { name: string }[] = rig.region[kind];
    list.splice(
      list.findIndex((one) => one.name === name),
      1,
    );
  };

export const withKey: Step = (rig) => {
  rig.region.tokens.push({
    consumerKey: 'GMXRLDpWk6LV93Kc4d',
    tokenKey: 'BgfHG6BYAbxqGadkYB',
    secret: 'WJvNat6rnyx9LkNehpShEMvtSuVPpWRC',
    name: 'plane-relay',
    owner: 'admin',
  });
};

export const aliceInactive: Step = (rig) => {
  rig.alice.active = false;
};
