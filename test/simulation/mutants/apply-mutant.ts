// Changes the product's sources on their way into this thread, and nothing on disk.
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { MUTANTS } from './mutants.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Everything loaded from now on has the bug. Throws when a patch does not fit: the source has moved on, and so must the mutant. */
export function applyMutant(name: string): void {
  const mutant = MUTANTS.find((one) => one.name === name);
  if (mutant === undefined) throw new Error(`there is no mutant ${name}`);
  for (const { file, from } of mutant.patches) {
    const text = readFileSync(`${ROOT}${file}`, 'utf8');
    if (text.split(from).length !== 2) throw new Error(`mutant ${name} does not fit ${file}: ${from}`);
  }
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context);
      const path = url.startsWith('file:') ? fileURLToPath(url) : '';
      const patches = mutant.patches.filter(({ file }) => path === `${ROOT}${file}`);
      if (patches.length === 0) return loaded;
      const source = patches.reduce((text, { from, to }) => text.replace(from, () => to), readFileSync(path, 'utf8'));
      return { ...loaded, source };
    },
  });
}
