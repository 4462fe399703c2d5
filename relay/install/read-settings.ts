// pcg.yaml as the command line names it, with its secrets opened.
import { err, ok, type Result } from '../../shared/result.ts';
import { createTerminalPrompts } from '../adapters/terminal-prompts.ts';
import { readTextFile } from '../adapters/text-file.ts';
import type { InstallArguments } from './arguments.ts';
import { type InstallProblem, type Refusal, refusal } from './install-problem.ts';
import { readPassphrase } from './make-config.ts';
import { readPcgFile } from './pcg-file.ts';
import { PROMPTS } from './prompts.ts';
import type { SecretSources } from './secret.ts';
import { openSettings, type Settings } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;
type Named = Pick<InstallArguments, 'configFile' | 'overrides' | 'problems' | 'passphraseFile'>;

export async function readSettings(
  given: Named,
  environment: Environment,
): Promise<Result<Settings, InstallProblem[]>> {
  const text = await readTextFile(given.configFile);
  if (!text.ok) return err([...given.problems, { ...refusal('CONFIG_UNREADABLE', text.error), where: '-c' }]);
  const file = readPcgFile(text.value, given.overrides);
  if (!file.ok || given.problems.length > 0) return err([...given.problems, ...(file.ok ? [] : file.error)]);
  let passphrase: ReturnType<SecretSources['passphrase']> | null = null;
  const settings = await openSettings(file.value, {
    environment,
    readFile: readTextFile,
    passphrase: () => {
      passphrase ??= findPassphrase(given, environment);
      return passphrase;
    },
  });
  if (!settings.ok) return settings;
  // The relay needs the same authorities as this program.
  return ok({ ...settings.value, caFile: settings.value.caFile ?? environment.SLIPWAY_CA_FILE ?? null });
}

async function findPassphrase(given: Named, environment: Environment): Promise<Result<string, Refusal>> {
  const known = await knownPassphrase(given, environment);
  if (known !== null) return known;
  if (!process.stdin.isTTY) return err(refusal('PASSPHRASE_NEEDED', 'is sealed, and there is no terminal to ask at'));
  return ok(await createTerminalPrompts().secret({ message: PROMPTS.passphrase, check: async () => true }));
}

/** Null: not given. */
export async function knownPassphrase(
  { passphraseFile }: Pick<Named, 'passphraseFile'>,
  environment: Environment,
): Promise<Result<string, Refusal> | null> {
  if (passphraseFile !== null) {
    const text = await readTextFile(passphraseFile);
    return text.ok ? readPassphrase(text.value.trim()) : err(refusal('SECRET_UNREADABLE', text.error));
  }
  const variable = environment.SLIPWAY_PASSPHRASE ?? '';
  return variable === '' ? null : readPassphrase(variable);
}
