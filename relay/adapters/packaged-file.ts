// Files that a release ships: inside the executable, else beside the code.

import { join } from 'node:path';
import { getAsset, isSea } from 'node:sea';
import type { Result } from '../../shared/result.ts';
import { ok } from '../../shared/result.ts';
import { readTextFile } from './text-file.ts';

export async function packagedFile(name: string): Promise<Result<string, string>> {
  if (isSea()) return ok(getAsset(name, 'utf8'));
  const inSources = await readTextFile(join(import.meta.dirname, '../packaging', name));
  return inSources.ok ? inSources : readTextFile(join(import.meta.dirname, name));
}
