// How the installer asks: what every question shares. A question is asked until its answer can be right.

import { ok, type Result } from '../../shared/result.ts';
import type { MaasAccount } from '../adapters/open-maas.ts';
import type { ProxySettings } from '../config.ts';
import type { ConsoleApi } from './console-api.ts';
import { type Refusal, todoOf } from './install-problem.ts';
import type { MaasSite } from './maas-site.ts';
import type { Overrides } from './pcg-file.ts';
import type { Prompts } from './prompts.ts';
import { parseReference } from './secret.ts';

/** An answer that may be secret: as it was typed (perhaps a reference), and what it stands for. */
export type Given = { readonly typed: string; readonly value: string; readonly secret: boolean };

export type Surroundings = {
  readonly prompts: Prompts;
  readonly flags: Overrides;
  /** Suggested: the console that the environment names. */
  readonly suggestedConsole: string;
  /** What an env: or file: reference stands for; a sealed one is refused, since there is nothing sealed yet. */
  readonly resolve: (reference: string) => Promise<Result<string, Refusal>>;
  readonly readFile: (path: string) => Promise<Result<string, string>>;
  /** Null: it answers. */
  readonly reachConsole: (origin: string, proxy: ProxySettings) => Promise<Refusal | null>;
  readonly consoleApi: (origin: string, apiKey: string, proxy: ProxySettings) => ConsoleApi;
  readonly lookAtMaas: (account: MaasAccount) => Promise<Result<MaasSite, Refusal>>;
};

export async function askSecret(
  world: Surroundings,
  message: string,
  read: (text: string) => Result<string, Refusal>,
): Promise<Given> {
  const open = async (typed: string): Promise<Result<string, Refusal>> => {
    const text = await dereference(world, typed);
    return text.ok ? read(text.value) : text;
  };
  const typed = await world.prompts.secret({ message, check: async (text) => verdict(await open(text)) });
  return { typed: typed.trim(), value: checked(await open(typed)), secret: parseReference(typed.trim()) === null };
}

export async function dereference(world: Surroundings, typed: string): Promise<Result<string, Refusal>> {
  return parseReference(typed.trim()) === null ? ok(typed) : world.resolve(typed.trim());
}

/** The flag's value when it is right; else, and without a flag, the prompt's. */
export async function askOrTake(
  prompts: Prompts,
  message: string,
  flag: string | undefined,
  read: (text: string) => Result<unknown, Refusal>,
  initial: string,
): Promise<string> {
  const check = by(read);
  if (flag !== undefined && (await take(prompts, message, flag, check))) return flag.trim();
  const typed = await prompts.text({ message, ...(initial === '' ? {} : { initial }), check });
  return typed.trim();
}

export async function take(
  prompts: Prompts,
  message: string,
  flag: string,
  check: (typed: string) => Promise<true | string>,
): Promise<boolean> {
  const right = await check(flag);
  prompts.say(right === true ? `  ${message}: as given by flag` : `  ${message}: the flag ${right}`);
  return right === true;
}

/** A prompt's check, by the reader that the file's field has too. */
export const by =
  (read: (text: string) => Result<unknown, Refusal>) =>
  async (typed: string): Promise<true | string> =>
    verdict(read(typed));

export function verdict(answer: Result<unknown, Refusal>): true | string {
  return answer.ok ? true : `${answer.error.detail} (${answer.error.code}). ${todoOf(answer.error)}`;
}

export const sayRefusal = (refused: Refusal): string =>
  `  ✖ ${refused.detail} (${refused.code})\n    → ${todoOf(refused)}`;

/** Of an answer that its prompt has checked already. */
export function checked<T>(answer: Result<T, Refusal>): T {
  if (answer.ok) return answer.value;
  throw new Error(`an answer was taken that is not right: ${answer.error.code}`);
}
