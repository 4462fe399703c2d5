// What the installer remembers beside pcg.yaml once all is done and its state folder is gone: which gateway it made. So the
// same command says what stands, and takes no gateway of that name for its own that is another's. No secret.
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { EpochMs, GatewayId } from '../../shared/ids.ts';
import { InstallationState } from '../../shared/installation.ts';
import { err, ok } from '../../shared/result.ts';
import { openDisk } from '../adapters/node-disk.ts';
import { parseOwnFile } from '../enrolment/own-file.ts';
import type { ConsoleApi, Gateway } from './console-api.ts';
import { problem, type Step } from './host-service.ts';
import type { MachinesEnd } from './machines-install.ts';
import type { Settings } from './settings.ts';

export const INSTALLED_FILE = 'installed.json';

const { phase, machines } = InstallationState.shape;
const Installed = z.strictObject({
  v: z.literal(1),
  /** Origin. */
  console: z.string(),
  gateway: z.strictObject({ id: GatewayId, name: z.string() }),
  /** SHA-256 of the pairing code in pcg.yaml, hex; null without one. Another code means another gateway. */
  codeHash: z.string().nullable(),
  at: EpochMs,
  phase,
  machines,
});
type Installed = z.infer<typeof Installed>;

export type Standing = Pick<Installed, 'gateway' | 'phase' | 'machines'> & {
  readonly installedAt: EpochMs;
  /** False: nobody asked the console, and this is how it was when it was installed. */
  readonly isNow: boolean;
};

type Named = Pick<Settings, 'name' | 'console' | 'pairingCode'>;

/** May be repeated: the last word counts. */
export async function keepInstalled(
  configFile: string,
  settings: Named,
  { gateway, state }: MachinesEnd,
  at: EpochMs,
): Step<null> {
  const codeHash = hashOf(settings);
  const content: Installed = {
    ...{ v: 1, console: settings.console, gateway, codeHash, at },
    ...{ phase: state.phase, machines: state.machines },
  };
  const disk = await openDisk(dirname(configFile));
  const written = disk.ok
    ? await disk.value.replace(INSTALLED_FILE, Buffer.from(`${JSON.stringify(content)}\n`))
    : disk;
  return written.ok ? ok(null) : problem('pcg.yaml', 'OUT_NOT_WRITABLE', written.error.detail);
}

/** The gateway was given back. */
export function forgetInstalled(configFile: string): Promise<void> {
  return rm(join(dirname(configFile), INSTALLED_FILE), { force: true });
}

/**
 * What stands of an installation from this pcg.yaml that was done; null when there is something to install. Changes nothing.
 * With an API key the console says what stands; without one, it is what stood then.
 */
export async function standingOf(configFile: string, settings: Named, api: ConsoleApi | null): Step<Standing | null> {
  const disk = await openDisk(dirname(configFile));
  const read = disk.ok ? await disk.value.read(INSTALLED_FILE) : disk;
  if (!read.ok) return problem('pcg.yaml', 'OUT_NOT_WRITABLE', read.error.detail);
  // One that is damaged says nothing: all is as before there was such a file.
  const known = read.value === null ? null : parseOwnFile(Installed, read.value);
  if (known === null || known.console !== settings.console || known.gateway.name !== settings.name) return ok(null);
  const then = { gateway: known.gateway, phase: known.phase, machines: known.machines, installedAt: known.at };
  if (api === null) return ok(known.codeHash === hashOf(settings) ? { ...then, isNow: false } : null);
  const found = await api.gateway(known.gateway.id);
  if (!found.ok) return found.error.problem === 'NOT_FOUND' ? ok(null) : err({ ...found.error, where: 'gateway' });
  if (found.value.phase === 'deleting')
    return problem('gateway', 'GATEWAY_NAME_TAKEN', `${settings.name} is being deleted`);
  return ok({ ...then, ...nowOf(found.value, known), isNow: true });
}

/** The console says which machines and relays there are; which relay is on which machine, only the installation did. */
function nowOf(gateway: Gateway, { machines: then }: Installed): Pick<Standing, 'phase' | 'machines'> {
  const relayAt = (slot: string) => {
    const nodeId = then.find((machine) => machine.slot === slot)?.relay?.nodeId;
    return gateway.nodes.find((node) => node.nodeId === nodeId) ?? null;
  };
  const own = gateway.machines;
  const each = (own?.machines ?? []).map((one) => ({
    ...{ slot: one.slot, hostname: one.hostname, phase: one.phase },
    relay: relayAt(one.slot),
  }));
  return { phase: own?.phase ?? null, machines: each };
}

const hashOf = ({ pairingCode }: Named): string | null =>
  pairingCode === null ? null : createHash('sha256').update(pairingCode).digest('hex');
