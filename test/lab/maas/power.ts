// Power calls. A machine with manual power has no button: MAAS says so by answering null (maas.md §5.7).

import { ok } from '../../../shared/result.ts';
import { bootOrderOf } from './boot.ts';
import { type Machine, type PowerState, snapshot } from './machine.ts';
import { conflict, crashed, forbidden, type Outcome, unavailable } from './refusal.ts';
import { delay, RACK_ID, type Region, timingsOf } from './region.ts';
import { mayEdit, type User } from './users-and-keys.ts';

const RETRY_AFTER_SECONDS = 10;

/** What MAAS says when no rack controller is connected that could reach the BMC. */
export const noRack = () =>
  unavailable(`Unable to connect to any rack controller ${RACK_ID}; no connections available.`, RETRY_AFTER_SECONDS);

export const bmcRefused = (detail = 'lab: simulated power failure') => crashed(detail);

/**
 * The power-off job: takes `releaseMs`, ends in `done` exactly once. No rack and a refusing BMC fail at once, and a BMC
 * that refused leaves the machine on.
 */
export function switchOff(region: Region, machine: Machine, done: (outcome: Outcome<null>) => void) {
  if (!region.rackConnected) {
    machine.powerState = 'unknown';
    return done(noRack());
  }
  if (machine.bmcRefusals > 0) {
    machine.bmcRefusals -= 1;
    return done(bmcRefused());
  }
  delay(region, machine, 'power-off', timingsOf(region, machine).releaseMs, () => {
    region.ports.power.off(machine.systemId, (outcome) => {
      if (!outcome.ok) return done(bmcRefused(outcome.detail));
      if (machine.powerType !== 'manual') machine.powerState = 'off';
      done(ok(null));
    });
  });
}

/** Off at once, whatever comes of it: for calls whose answer does not wait for the BMC. */
export function switchOffUnseen(region: Region, machine: Machine): void {
  if (machine.powerType !== 'manual') machine.powerState = 'off';
  region.ports.power.off(machine.systemId, (outcome) => {
    if (!outcome.ok && machine.powerType !== 'manual') machine.powerState = 'error';
  });
}

/** `op=power_off`; the answer comes when the job has ended. null: manual power. May be repeated. */
export function powerOff(
  region: Region,
  caller: User,
  machine: Machine,
  answer: (outcome: Outcome<Machine | null>) => void,
) {
  if (!mayEdit(caller, machine) || machine.locked) return answer(forbidden());
  if (machine.powerType === 'manual') return answer(ok(null));
  switchOff(region, machine, (outcome) => answer(outcome.ok ? ok(snapshot(machine)) : outcome));
}

/** `op=power_on`: boots what is installed. Refused on a machine that nobody owns. */
export function powerOn(
  region: Region,
  caller: User,
  machine: Machine,
  answer: (outcome: Outcome<Machine | null>) => void,
) {
  if (machine.owner === null) return answer(conflict("Can't start node: it hasn't been allocated."));
  if (!mayEdit(caller, machine) || machine.locked) return answer(forbidden());
  if (machine.powerType === 'manual') return answer(ok(null));
  if (!region.rackConnected) return answer(noRack());
  machine.powerState = 'on';
  if (machine.status !== 'Deployed') return answer(ok(snapshot(machine)));
  region.ports.power.on(bootOrderOf(region, machine), (outcome) =>
    answer(outcome.ok ? ok(snapshot(machine)) : bmcRefused(outcome.detail)),
  );
}

export function queryPowerState(region: Region, machine: Machine): Outcome<PowerState> {
  if (machine.powerType === 'manual') return ok('unknown');
  return region.rackConnected ? ok(machine.powerState) : noRack();
}

export function setLocked(caller: User, machine: Machine, locked: boolean): Outcome<Machine> {
  if (!mayEdit(caller, machine)) return forbidden();
  if (locked && machine.status !== 'Deployed' && machine.status !== 'Deploying') {
    return conflict("Machine can't be locked, not in valid state.");
  }
  machine.locked = locked;
  return ok(snapshot(machine));
}
