// Which program `run` starts, for people: this one, or an accepted one of the store.
import { compareVersions } from '../../shared/release.ts';
import { loadConfig } from '../adapters/load-config.ts';
import { openDisk } from '../adapters/node-disk.ts';
import { modeOf } from '../adapters/probes.ts';
import { openProgramStore } from '../adapters/program-store.ts';
import type { Disk } from '../ports.ts';
import { RELAY_VERSION } from '../version.ts';
import { type AcceptedProgram, openProgramBook } from './program-book.ts';

export type NextProgram = { readonly program: AcceptedProgram; readonly file: string; readonly isIntact: boolean };

/** The accepted program that is newer than this one; null: this one. Changes nothing. */
export async function nextProgram(disk: Disk, stateDir: string): Promise<NextProgram | null> {
  const book = await openProgramBook(disk);
  const program = book.ok
    ? book.value.accepted().find(({ version }) => compareVersions(version, RELAY_VERSION) > 0)
    : undefined;
  if (program === undefined) return null;
  const store = openProgramStore(stateDir);
  return { program, file: store.fileOf(program), isIntact: await store.isIntact(program) };
}

/** A line beside the version of this program; empty when this one is what `run` starts, or the settings can't be read. */
export async function acceptedLine(environment: Readonly<Record<string, string | undefined>>): Promise<string> {
  const loaded = await loadConfig(environment);
  if (!loaded.ok) return '';
  const { stateDir } = loaded.value.config;
  if ((await modeOf(stateDir)) === null) return '';
  const disk = await openDisk(stateDir);
  const next = disk.ok ? await nextProgram(disk.value, stateDir) : null;
  if (next === null) return '';
  const { program, file, isIntact } = next;
  return `run starts ${program.version}, accepted ${new Date(program.acceptedAt).toISOString()}: ${file}${isIntact ? '' : ', which is not intact'}\n`;
}
