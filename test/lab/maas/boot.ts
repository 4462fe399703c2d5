// What happens between the answer to a deploy and Deployed: the image is written, the power comes on, and the installed
// system asks for its user-data. That request is what makes a machine Deployed, before user-data has run (maas.md §5.2).

import { addEvent } from './events.ts';
import { fateOf } from './fates.ts';
import { markDeployed } from './images.ts';
import { fqdnOf, type Machine } from './machine.ts';
import { type BootOrder, delay, moveTo, type Region, timingsOf } from './region.ts';

/** Runs after the deploy call is committed. A machine that was aborted or released meanwhile is left alone. */
export function startInstallation(region: Region, machine: Machine): void {
  const { turn } = machine;
  const fate = fateOf(machine.hostname);
  const timings = timingsOf(region, machine);
  delay(region, machine, 'deploy', timings.deployMs, () => {
    if (machine.turn !== turn) return;
    if (fate.failsDeploying)
      return failDeployment(region, machine, 'Installation failed (lab: this machine fails deploying).');
    const patience = fate.neverBoots ? timings.neverBootsMs : timings.nodeTimeoutMs;
    region.ports.schedule(patience, () => {
      if (machine.turn === turn) failDeployment(region, machine, timeoutText(region));
    });
    if (fate.neverBoots) markOn(machine);
    else switchOn(region, machine, turn);
  });
}

function switchOn(region: Region, machine: Machine, turn: number): void {
  // On from the moment the button is pressed: a release that comes now has to switch off.
  markOn(machine);
  region.ports.power.on(bootOrderOf(region, machine), (outcome) => {
    if (!outcome.ok && machine.turn === turn) failDeployment(region, machine, outcome.detail);
  });
}

/** Called when the machine's own token fetched its user-data. Any status but Deploying stays what it is. */
export function userDataFetched(region: Region, machine: Machine): void {
  if (machine.status !== 'Deploying') return;
  machine.netboot = false;
  markDeployed(region, machine);
  addEvent(
    region,
    machine,
    'Image Deployed',
    `deployed ${machine.osystem}/${machine.distroSeries}/${machine.architecture}`,
  );
  addEvent(region, machine, 'Deployed');
  moveTo(region, machine, 'Deployed');
}

export function failDeployment(region: Region, machine: Machine, why: string): void {
  machine.errorDescription = why;
  addEvent(region, machine, 'Marking node failed', why, 'mark_failed');
  moveTo(region, machine, 'Failed deployment');
}

export function bootOrderOf(region: Region, machine: Machine): BootOrder {
  return {
    systemId: machine.systemId,
    hostname: machine.hostname,
    fqdn: fqdnOf(machine),
    address: machine.address ?? '',
    mac: machine.mac,
    zone: machine.zone,
    pool: machine.pool,
    metadataOauth: machine.metadataOauth,
    userData: machine.userData ?? new Uint8Array(),
    timings: timingsOf(region, machine),
  };
}

const timeoutText = (region: Region): string =>
  `Node operation 'Deploying' timed out after ${String(region.config.get('node_timeout'))} minutes.`;

const markOn = (machine: Machine): void => {
  if (machine.powerType !== 'manual') machine.powerState = 'on';
};
