// At the start of `run`: the accepted program runs, unless the installed one is as new or it does not get on. Whatever is wrong with
// it, the installed program is there: a node is never locked out.
import { compareVersions, type ProgramPlatform, type ReleaseVersion } from '../../shared/release.ts';
import type { ProgramStore } from '../adapters/program-store.ts';
import type { Log } from '../log.ts';
import type { AcceptedProgram, ProgramBook } from './program-book.ts';

/** In a row that ended before they counted as started. */
const STARTS_MAX = 3;

export type Installed = { readonly version: ReleaseVersion; readonly platform: ProgramPlatform | null };

/** The program to run instead of the installed one; null: the installed one. Those that never run again are forgotten and removed. */
export async function chooseProgram(
  installed: Installed,
  book: ProgramBook,
  store: ProgramStore,
  log: Log,
): Promise<AcceptedProgram | null> {
  let chosen: AcceptedProgram | null = null;
  for (const program of book.accepted()) {
    if (chosen !== null) break;
    const why = await whyNot(program, installed, store);
    if (why === null) chosen = program;
    else {
      const forgotten = await book.forget(program.version, why.isWrong ? why.detail : null);
      if (!forgotten.ok) log.warn('program-not-written', { detail: forgotten.error.detail });
      const fields = { version: program.version, installed: installed.version, detail: why.detail };
      if (why.isWrong) log.error('program-given-up', { ...fields, todo: 'upgrade the gateway again in the console' });
      else log.info('program-forgotten', fields);
    }
  }
  const kept = await store.keepOnly(book.accepted().map(({ version }) => version));
  if (!kept.ok) log.warn('program-not-removed', { detail: kept.error.detail });
  return chosen;
}

async function whyNot(
  program: AcceptedProgram,
  installed: Installed,
  store: ProgramStore,
): Promise<{ isWrong: boolean; detail: string } | null> {
  if (compareVersions(program.version, installed.version) <= 0)
    return { isWrong: false, detail: 'the installed program is as new' };
  if (program.platform !== installed.platform)
    return { isWrong: false, detail: `it is for ${program.platform}, and the installed one is not` };
  if (program.starts >= STARTS_MAX)
    return { isWrong: true, detail: `it ended soon after its start ${STARTS_MAX} times in a row` };
  if (!(await store.isIntact(program))) return { isWrong: true, detail: 'its file is missing, or was changed' };
  const startable = await store.canStart(program);
  return startable.ok ? null : { isWrong: true, detail: startable.error };
}
