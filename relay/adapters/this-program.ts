// The program that runs, and how one of the store is started.
import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { isSea } from 'node:sea';
import type { ProgramPlatform } from '../../shared/release.ts';

export type CommandLine = { readonly command: string; readonly args: readonly string[] };

const EXECUTABLES: Readonly<Record<string, ProgramPlatform>> = { x64: 'linux-x64', arm64: 'linux-arm64' };

/** Which program of a release can take the place of this one; null: none can. */
export function ownPlatform(): ProgramPlatform | null {
  if (process.platform !== 'linux') return null;
  return isSea() ? (EXECUTABLES[process.arch] ?? null) : 'javascript';
}

/** @param folder of the store, which need not be there  @param mainFile the entry point, when this is no executable */
export function isStored(folder: string, mainFile: string): boolean {
  // By its own name: what runs is known by its own too, whatever links lead there.
  return existsSync(folder) && (isSea() ? process.execPath : mainFile).startsWith(join(realpathSync(folder), '/'));
}

export function lineOf(platform: ProgramPlatform, file: string, args: readonly string[]): CommandLine {
  return platform === 'javascript' ? { command: process.execPath, args: [file, ...args] } : { command: file, args };
}

/** This very program once more. */
export function ownLine(mainFile: string, args: readonly string[]): CommandLine {
  if (isSea()) return { command: process.execPath, args };
  return { command: process.execPath, args: [...process.execArgv, mainFile, ...args] };
}
