// The end of `install -o true`: from answers to a pcg.yaml without a secret in plain.

import { err, ok, type Result } from '../../shared/result.ts';
import type { ProxySettings } from '../config.ts';
import { checked, type Given, type Surroundings, sayRefusal, verdict } from './asking.ts';
import { type Refusal, refusal } from './install-problem.ts';
import { type Answers, askName } from './interview.ts';
import { PASSPHRASE_LENGTH_MIN, sealByPassphrase } from './passphrase.ts';
import { type PcgTexts, writePcgFile } from './pcg-file.ts';
import { PROMPTS, type Prompts } from './prompts.ts';

export type Making = Pick<Surroundings, 'prompts' | 'consoleApi'> & {
  readonly now: () => number;
  /** Good enough for keys. */
  readonly random: (count: number) => Uint8Array;
  /** Known already, else asked twice. */
  readonly passphrase: string | null;
};

export type MadeConfig = { readonly name: string; readonly text: string };

/** Makes the gateway first, when an API key was given: its code goes into the file, the key doesn't. */
export async function makeConfig(answers: Answers, making: Making): Promise<MadeConfig> {
  const { pairingCode, https, http, maasKey, apiKey } = answers;
  const hasSecrets = apiKey !== null || [pairingCode, https, http, maasKey].some((given) => given?.secret === true);
  const passphrase = hasSecrets ? (making.passphrase ?? (await askPassphrase(making.prompts))) : '';
  const { name, code } =
    apiKey === null ? { name: answers.name, code: pairingCode } : await makeGateway(answers, apiKey, making);
  const text = async (given: Given | null, field: string): Promise<string | null> => {
    if (given === null) return null;
    return given.secret ? sealByPassphrase(given.value, passphrase, field, making.random) : given.typed;
  };
  const texts: PcgTexts = {
    name,
    console: answers.console,
    pairingCode: await text(code, 'console.pairingCode'),
    consoleCaFile: null,
    httpsProxy: await text(https, 'proxy.https'),
    httpProxy: await text(http, 'proxy.http'),
    noProxy: answers.noProxy,
    podCidr: answers.podCidr,
    serviceIpRange: answers.serviceIpRange,
    maasEndpoint: answers.maasEndpoint,
    maasKey: (await text(maasKey, 'maas.apiKey')) ?? '',
    maasCaFile: answers.maasCaFile,
    ...answers.placement,
  };
  return { name, text: writePcgFile(texts, new Date(making.now()).toISOString()) };
}

export const readPassphrase = (text: string): Result<string, Refusal> =>
  text.length >= PASSPHRASE_LENGTH_MIN
    ? ok(text)
    : err(refusal('PASSPHRASE_SHORT', `has fewer than ${PASSPHRASE_LENGTH_MIN} characters`));

async function askPassphrase(prompts: Prompts): Promise<string> {
  const check = async (typed: string): Promise<true | string> => verdict(readPassphrase(typed));
  const passphrase = checked(readPassphrase(await prompts.secret({ message: PROMPTS.passphrase, check })));
  await prompts.secret({
    message: PROMPTS.passphraseAgain,
    check: async (typed) => typed === passphrase || 'is another one than before',
  });
  return passphrase;
}

/** Until it is made, asking for another name when one is taken; the user ends it. */
async function makeGateway(answers: Answers, apiKey: Given, making: Making): Promise<{ name: string; code: Given }> {
  const proxy: ProxySettings = {
    https: answers.https?.value ?? null,
    http: answers.http?.value ?? null,
    no: [...answers.noProxy],
  };
  const api = making.consoleApi(answers.console, apiKey.value, proxy);
  for (let name = answers.name; ; ) {
    const repeatKey = `install-${Buffer.from(making.random(16)).toString('hex')}`;
    const made = await api.createGateway(name, repeatKey);
    if (made.ok) {
      making.prompts.say(`  Gateway ${name} made in the console (${made.value.id}).`);
      const value = made.value.pairingCode;
      return { name, code: { typed: value, value, secret: true } };
    }
    making.prompts.say(sayRefusal(made.error));
    name = await askName(making.prompts, name);
  }
}
