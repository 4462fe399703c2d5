// /lab/: the lab's own controls, for demos and for tests in another process. Nothing here is MAAS. JSON in, JSON out:
//   POST /lab/faults        arm one (faults.ts)          DELETE /lab/faults          clear all, denied keys too
//   POST /lab/keys          {"deny": KEY} {"allow": KEY}  POST /lab/machines/ID       {"bmcRefusals": N}
//   POST /lab/rack          {"connected": false}          GET  /lab/{history,delays,transitions,reports,machines}
//   GET  /lab/leftovers?owner=USER

import { z } from 'zod';
import { type Faults, faultSchema } from './faults.ts';
import type { HistoryEntry } from './history.ts';
import { leftoversOf } from './leftovers.ts';
import { lastOf } from './maas/fields.ts';
import { type Answer, json, noContent, text } from './maas/http/answer.ts';
import type { LabRequest } from './maas/http/request.ts';
import type { Machine } from './maas/machine.ts';
import type { Region } from './maas/region.ts';
import type { MachineReport } from './metadata-server.ts';

export type Control = {
  readonly region: Region;
  readonly faults: Faults;
  readonly history: HistoryEntry[];
  readonly reports: readonly MachineReport[];
};

const keysSchema = z.union([z.strictObject({ deny: z.string() }), z.strictObject({ allow: z.string() })]);
const machineSchema = z.strictObject({ bmcRefusals: z.number().int().min(0) });
const rackSchema = z.strictObject({ connected: z.boolean() });

export function answerControl(control: Control, request: LabRequest): Answer {
  const path = request.path.slice('/lab/'.length);
  if (request.method === 'GET') return look(control, path, request);
  if (request.method === 'DELETE' && path === 'faults') {
    control.faults.clear();
    return noContent();
  }
  if (request.method !== 'POST') return text(405, 'The lab takes GET, POST and DELETE here.\n');
  return change(control, path, request);
}

function look(control: Control, path: string, request: LabRequest): Answer {
  const { region } = control;
  switch (path) {
    case 'history':
      return json(control.history);
    case 'delays':
      return json(region.delays);
    case 'transitions':
      return json(region.transitions);
    case 'reports':
      return json(control.reports);
    case 'machines':
      return json([...region.machines.values()].map(shownMachine));
    case 'leftovers':
      return json(leftoversOf(region, lastOf(request.query, 'owner') ?? ''));
    default:
      return text(404, `The lab knows no /lab/${path}\n`);
  }
}

function change(control: Control, path: string, request: LabRequest): Answer {
  const { region, faults } = control;
  if (path === 'faults') return apply(request, faultSchema, (fault) => faults.arm(fault));
  if (path === 'keys') {
    return apply(request, keysSchema, (order) =>
      'deny' in order ? faults.denyKey(order.deny) : faults.allowKey(order.allow),
    );
  }
  if (path === 'rack') {
    return apply(request, rackSchema, (order) => {
      region.rackConnected = order.connected;
    });
  }
  const machine = region.machines.get(path.replace(/^machines\//, ''));
  if (!machine) return text(404, `The lab knows no /lab/${path}\n`);
  return apply(request, machineSchema, (order) => {
    machine.bmcRefusals = order.bmcRefusals;
  });
}

function apply<T>(request: LabRequest, schema: z.ZodType<T>, run: (order: T) => void): Answer {
  let body: unknown;
  try {
    body = JSON.parse(request.rawBody.toString('utf8'));
  } catch {
    return text(400, 'The lab takes JSON here.\n');
  }
  const order = schema.safeParse(body);
  if (!order.success) return text(400, `${z.prettifyError(order.error)}\n`);
  run(order.data);
  return noContent();
}

const shownMachine = ({
  systemId,
  hostname,
  status,
  owner,
  agentName,
  annotations,
  address,
  powerState,
  zone,
  pool,
}: Machine) => ({
  systemId,
  hostname,
  status,
  owner,
  agentName,
  annotations,
  address,
  powerState,
  zone,
  pool,
});
