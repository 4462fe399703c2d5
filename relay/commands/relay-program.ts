// ensure-relay-program: this node runs the program of a release (U1). What it is asked again about it answers from what runs
// (U2); the process that gives its place over can't tell the end.
import type { CommandFailure } from '../../shared/command.ts';
import { compareVersions, readManifest, type SignedRelease } from '../../shared/release.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { StoredProgram } from '../program/program-book.ts';
import type { ProgramExchange } from '../program/program-exchange.ts';
import { type CommandContext, type Handler, type HandlerFailure, stopped } from './handler.ts';
import { pause } from './persevere.ts';

const NO_KEY =
  'this relay knows no release key: pair it anew with a console that publishes releases, or set SLIPWAY_RELEASE_KEY on its host';

/** @param exchange absent: a relay that was put together without a place for programs takes none */
export function ensureRelayProgram(exchange?: ProgramExchange): Handler<'ensure-relay-program'> {
  return async ({ release }, context) => {
    if (exchange === undefined)
      return err({ code: 'RELEASE_UNAVAILABLE', detail: 'this relay can not exchange its own program' });
    if (exchange.isWatched) {
      // The next process of this folder is asked again: it has this program for good, or the former one.
      await untilAborted(context.signal);
      return err(stopped);
    }
    const { version } = exchange;
    if (readManifest(release)?.version === version) return ok({ verb: 'ensure-relay-program', version });
    const program = await wantedProgram(release, exchange);
    if (!program.ok) return program;
    const { commandId } = context.command;
    const before = exchange.givenUp(commandId);
    if (before !== null) return err({ code: 'RELEASE_ROLLED_BACK', detail: before });
    const taken = await take(exchange, program.value, context);
    if (!taken.ok) return taken;
    const successor = await exchange.tryOut(program.value, context.signal);
    if (!successor.ok)
      return err(context.signal.aborted ? stopped : { code: 'RELEASE_ROLLED_BACK', detail: successor.error });
    const begun = await exchange.handOver(commandId, program.value, successor.value);
    if (!begun.ok) return err({ code: 'RELAY_STORAGE', detail: begun.error.detail });
    await untilAborted(context.signal);
    return err(stopped);
  };
}

async function wantedProgram(
  release: SignedRelease,
  { version, platform, releaseKey, verify }: ProgramExchange,
): Promise<Result<StoredProgram, CommandFailure>> {
  if (releaseKey === null) return err({ code: 'RELEASE_UNTRUSTED', detail: NO_KEY });
  if (!(await verify(releaseKey, release.manifest, release.signature)))
    return err({ code: 'RELEASE_UNTRUSTED', detail: 'the release key that this relay pins did not sign this release' });
  const manifest = readManifest(release);
  if (manifest === null)
    return err({ code: 'RELEASE_UNAVAILABLE', detail: 'this release is in a form that this relay does not know' });
  if (compareVersions(manifest.version, version) < 0)
    return err({ code: 'RELEASE_OLDER', detail: `${version} runs here, and ${manifest.version} is older` });
  const program = manifest.programs.find((one) => one.platform === platform);
  if (program !== undefined) return ok({ ...program, version: manifest.version });
  const detail = `release ${manifest.version} has no program for ${platform ?? `${process.platform}-${process.arch}`}`;
  return err({ code: 'RELEASE_UNAVAILABLE', detail });
}

/** Until the deadline, while it may pass by itself. */
async function take(
  exchange: ProgramExchange,
  program: StoredProgram,
  context: CommandContext,
): Promise<Result<null, HandlerFailure>> {
  for (let tries = 0; ; tries += 1) {
    const taken = await exchange.take(program, context.signal);
    if (taken.ok) return taken;
    if (context.signal.aborted) return err(stopped);
    const failure = failureOf(taken.error);
    if (taken.error.code !== 'passes') return err(failure);
    context.log.warn('program-not-fetched', { version: program.version, detail: taken.error.detail });
    if (!(await pause(context, tries, failure))) return err(context.signal.aborted ? stopped : failure);
  }
}

function failureOf({ code, detail }: { code: 'untrusted' | 'unavailable' | 'passes' | 'disk'; detail: string }) {
  const words = `the program can't be had: ${detail}`;
  if (code === 'untrusted') return { code: 'RELEASE_UNTRUSTED', detail: words } as const;
  return { code: code === 'disk' ? 'RELAY_STORAGE' : 'RELEASE_UNAVAILABLE', detail: words } as const;
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
