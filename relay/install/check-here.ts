// What the host that installs must be able to: become the relay, or be one for as long as it takes.
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { tryListen } from '../adapters/probes.ts';
import { canWriteBelow } from '../adapters/text-file.ts';
import type { Config } from '../config.ts';
import type { Check } from '../doctor.ts';
import type { HostPlan } from './host-service.ts';

const pass = (name: string, detail: string): Check => ({ name, status: 'ok', detail, todo: '' });
const fail = (name: string, detail: string, todo: string): Check => ({ name, status: 'failed', detail, todo });

export function checkHost({ prefix, start }: HostPlan, isRoot: boolean): Check {
  if (prefix === '' && !isRoot) return fail('host', 'this is not root', 'Run this as root.');
  if (start && prefix === '' && !existsSync('/run/systemd/system')) {
    const todo = 'Install on a host with systemd, or give --no-start and run the relay yourself.';
    return fail('host', 'systemd does not run here', todo);
  }
  return pass('host', prefix === '' ? 'root, systemd' : `files go below ${prefix}`);
}

/** Machines enrol here, and what is begun is kept beside pcg.yaml. */
export async function checkTemporary({
  enrolment,
  stateDir,
}: Pick<Config, 'enrolment' | 'stateDir'>): Promise<Check[]> {
  const where = `${enrolment.host}:${enrolment.port}`;
  const free = await tryListen(enrolment.host, enrolment.port);
  const why = free.ok ? '' : free.error === 'in-use' ? 'is in use' : free.error;
  const todo =
    'Free it, or set enrolment.listen (or SLIPWAY_ENROLMENT_LISTEN) to another address and port of this host.';
  const writable = await canWriteBelow(stateDir);
  return [
    free.ok
      ? pass('enrolment port', `${where} is free; machines enrol there until the gateway’s own take over`)
      : fail('enrolment port', `${where} ${why}`, todo),
    writable.ok
      ? pass('state folder', stateDir)
      : fail(
          'state folder',
          writable.error,
          `Make ${dirname(stateDir)} writable, or move pcg.yaml: its state is kept beside it.`,
        ),
  ];
}
