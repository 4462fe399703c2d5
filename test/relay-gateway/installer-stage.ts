// What the tests of installer and uninstaller play on: a console of their own, a folder, and what a person would read.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { type FakeEdge, startFakeEdge } from '../support/fake-edge.ts';

export type InstallerStage = {
  readonly edge: FakeEdge;
  readonly folder: string;
  printed(): string;
  close(): Promise<void>;
};

export async function openInstallerStage(): Promise<InstallerStage> {
  const edge = await startFakeEdge();
  const folder = mkdtempSync(join(tmpdir(), 'slipway-installer-'));
  let printed = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  return {
    edge,
    folder,
    printed: () => printed,
    close: async () => {
      vi.restoreAllMocks();
      await edge.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
