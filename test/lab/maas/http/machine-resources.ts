// machines/ and machines/{system_id}/.

import { abort } from '../abort.ts';
import { allocate } from '../allocate.ts';
import { setAnnotations } from '../annotations.ts';
import { markBroken, markFixed } from '../broken.ts';
import { deploy } from '../deploy.ts';
import { allOf, NO_FIELDS } from '../fields.ts';
import type { Machine } from '../machine.ts';
import { createMachine, deleteMachine, machineFor, updateMachine } from '../machine-edits.ts';
import { listAllocated, listMachines } from '../machine-filter.ts';
import { powerOff, powerOn, queryPowerState, setLocked } from '../power.ts';
import { forbidden, type Outcome } from '../refusal.ts';
import { release, releaseMany } from '../release.ts';
import { type Answer, about, answerOf, gone, json, refusalAnswer, text } from './answer.ts';
import { allocationJson, machineJson } from './machine-json.ts';
import type { Call, Handler, Resource } from './resource.ts';

const shown = (call: Call) => (machine: Machine) => json(machineJson(call.region, machine));

/** Runs a handler on the machine that the path names, once the caller may look at it. */
const onMachine =
  (run: (call: Call, machine: Machine) => Answer | Promise<Answer>): Handler =>
  (call) => {
    const machine = machineFor(call.region, call.caller, call.key);
    return machine.ok ? run(call, machine.value) : refusalAnswer(machine.error);
  };

/** For a model call that answers later: when its power job has ended. */
const later = <T>(
  start: (answer: (outcome: Outcome<T>) => void) => void,
  show: (value: T) => Answer,
): Promise<Answer> => new Promise((resolve) => start((outcome) => resolve(answerOf(outcome, show))));

export const machinesResource: Resource = {
  name: 'machines',
  path: /^machines\/$/,
  read: (call) =>
    answerOf(listMachines(call.region, call.caller, call.fields), (machines) =>
      json(machines.map((machine) => machineJson(call.region, machine))),
    ),
  create: (call) => answerOf(createMachine(call.region, call.caller, call.fields), shown(call)),
  gets: {
    list_allocated: (call) =>
      json(listAllocated(call.region, call.caller, call.fields).map((machine) => machineJson(call.region, machine))),
    power_parameters: (call) => {
      if (!call.caller.admin) return refusalAnswer(forbidden().error);
      const machines = allOf(call.fields, 'id').flatMap((id) => call.region.machines.get(id) ?? []);
      return json(Object.fromEntries(machines.map((machine) => [machine.systemId, powerParameters(machine)])));
    },
  },
  posts: {
    allocate: (call) => {
      if (call.request.isJson) return text(500, "'dict' object has no attribute 'lists'");
      return answerOf(allocate(call.region, call.caller, call.fields), (allocation) =>
        about(json(allocationJson(call.region, allocation)), allocation.machine.systemId),
      );
    },
    release: (call) => later<string[]>((answer) => releaseMany(call.region, call.caller, call.fields, answer), json),
  },
  unmodelled: ['is_registered', 'accept', 'accept_all', 'add_chassis', 'clone', 'set_zone'],
};

export const machineResource: Resource = {
  name: 'machine',
  path: /^machines\/([^/]+)\/$/,
  read: onMachine((call, machine) => shown(call)(machine)),
  update: onMachine((call, machine) =>
    answerOf(updateMachine(call.region, call.caller, machine, call.fields), shown(call)),
  ),
  remove: onMachine((call, machine) => answerOf(deleteMachine(call.region, call.caller, machine), gone)),
  gets: {
    query_power_state: onMachine((call, machine) =>
      answerOf(queryPowerState(call.region, machine), (state) => json({ state })),
    ),
    power_parameters: onMachine((call, machine) =>
      call.caller.admin ? json(powerParameters(machine)) : refusalAnswer(forbidden().error),
    ),
  },
  posts: {
    deploy: onMachine((call, machine) => {
      // A JSON body is not read at all: the default system is deployed (maas.md §1.3).
      const fields = call.request.isJson ? NO_FIELDS : call.fields;
      return answerOf(deploy(call.region, call.caller, machine, fields), shown(call));
    }),
    release: onMachine((call, machine) =>
      later<Machine>((answer) => release(call.region, call.caller, machine, call.fields, answer), shown(call)),
    ),
    abort: onMachine((call, machine) => answerOf(abort(call.region, call.caller, machine), shown(call))),
    mark_broken: onMachine((call, machine) =>
      answerOf(markBroken(call.region, call.caller, machine, call.fields), shown(call)),
    ),
    mark_fixed: onMachine((call, machine) => answerOf(markFixed(call.region, call.caller, machine), shown(call))),
    set_workload_annotations: onMachine(annotate),
    set_owner_data: onMachine(annotate),
    lock: onMachine((call, machine) => answerOf(setLocked(call.caller, machine, true), shown(call))),
    unlock: onMachine((call, machine) => answerOf(setLocked(call.caller, machine, false), shown(call))),
    power_off: onMachine((call, machine) =>
      later<Machine | null>((answer) => powerOff(call.region, call.caller, machine, answer), powerAnswer(call)),
    ),
    power_on: onMachine((call, machine) =>
      later<Machine | null>((answer) => powerOn(call.region, call.caller, machine, answer), powerAnswer(call)),
    ),
  },
  unmodelled: [
    'details',
    'get_curtin_config',
    'get_token',
    'clear_default_gateways',
    'commission',
    'exit_rescue_mode',
    'mount_special',
    'override_failed_testing',
    'rescue_mode',
    'restore_default_configuration',
    'restore_networking_configuration',
    'restore_storage_configuration',
    'set_storage_layout',
    'test',
    'unmount_special',
  ],
};

function annotate(call: Call, machine: Machine): Answer {
  return answerOf(setAnnotations(call.caller, machine, call.fields), shown(call));
}

/** `null` is MAAS's whole answer for manual power. */
const powerAnswer = (call: Call) => (machine: Machine | null) => (machine === null ? json(null) : shown(call)(machine));

/** With the BMC's password in clear, as the real one shows it to admins. */
function powerParameters(machine: Machine) {
  if (machine.powerType === 'manual') return {};
  return {
    power_driver: 'LAN_2_0',
    power_boot_type: 'auto',
    power_address: machine.homeAddress ?? '',
    power_user: 'maas',
    power_pass: 'secret',
    power_off_mode: 'hard',
    k_g: '',
    cipher_suite_id: '3',
    privilege_level: 'OPERATOR',
    workaround_flags: [],
    mac_address: '',
  };
}
