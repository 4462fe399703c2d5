// `install -o true`: asks at a terminal and writes pcg.yaml. This file puts the real parts together.
import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { err, ok } from '../../shared/result.ts';
import { createWithMaas } from '../adapters/open-maas.ts';
import { createCallConsole } from '../adapters/post-json.ts';
import { getOnce } from '../adapters/probes.ts';
import { createTerminalPrompts } from '../adapters/terminal-prompts.ts';
import { canWriteBelow, readTextFile, writeNewFile } from '../adapters/text-file.ts';
import { readAuthorities } from '../adapters/trusted-authorities.ts';
import type { Ports } from '../ports.ts';
import { RELAY_VERSION } from '../version.ts';
import type { InstallArguments } from './arguments.ts';
import type { Surroundings } from './asking.ts';
import { createConsoleApi } from './console-api.ts';
import { refusal } from './install-problem.ts';
import { EXIT, failed, misused, print } from './installer-output.ts';
import { interview } from './interview.ts';
import { lookAtMaas } from './maas-site.ts';
import { makeConfig } from './make-config.ts';
import { type Environment, knownPassphrase } from './read-settings.ts';
import { parseReference, resolveSecret } from './secret.ts';

const AGENT = `slipway-relay/${RELAY_VERSION}`;
/** Where the seed's container has its mounted folder. */
const CONTAINER_FOLDER = '/opt/slipway';

export async function askAndWrite(given: InstallArguments, environment: Environment, ports: Ports): Promise<number> {
  if (!process.stdin.isTTY) return misused('-o true asks at a terminal, and there is none; in a container give -it');
  if (given.problems.length > 0) return failed(given.problems, false);
  const ca = await readAuthorities(environment.SLIPWAY_CA_FILE ?? null);
  if (!ca.ok) return failed([{ ...refusal('SECRET_UNREADABLE', ca.error), where: 'SLIPWAY_CA_FILE' }], false);
  const passphrase = await knownPassphrase(given, environment);
  if (passphrase?.ok === false) return failed([{ ...passphrase.error, where: 'passphrase' }], false);
  const folder = given.out ?? (isContainer(environment) ? CONTAINER_FOLDER : resolve('.'));
  // Asked last, it would cost all answers, and a gateway's only code.
  const writable = await canWriteBelow(folder);
  if (!writable.ok) return failed([{ ...refusal('OUT_NOT_WRITABLE', writable.error), where: '--out' }], false);
  const prompts = createTerminalPrompts();
  const withMaas = createWithMaas(ports);
  const sources = {
    environment,
    readFile: readTextFile,
    passphrase: async () => err(refusal('SECRET_IN_PLAIN', 'type the secret itself')),
  };
  const world: Surroundings = {
    prompts,
    flags: given.overrides,
    suggestedConsole: environment.SLIPWAY_CONSOLE ?? '',
    resolve: async (text) => {
      const reference = parseReference(text);
      return reference === null ? ok(text) : resolveSecret(reference, 'answer', sources);
    },
    readFile: readTextFile,
    reachConsole: async (origin, proxy) => {
      const answer = await getOnce(`${origin}/v1/health`, proxy, ca.value);
      return answer.ok ? null : refusal('CONSOLE_UNREACHABLE', `${origin}: ${answer.error}`);
    },
    consoleApi: (origin, apiKey, proxy) => createConsoleApi(origin, apiKey, createCallConsole(proxy, ca.value, AGENT)),
    lookAtMaas: (account) => withMaas(account, (maas) => lookAtMaas(maas, ports.clock.now)),
  };
  const answers = await interview(world);
  const { now } = ports.clock;
  const made = await makeConfig(answers, {
    ...world,
    now,
    random: ports.random.bytes,
    passphrase: passphrase?.value ?? null,
  });
  const stamp = new Date(now()).toISOString().replace(/\D/g, '').slice(0, 14);
  const file = join(folder, `${made.name}-${stamp}`, 'pcg.yaml');
  const written = await writeNewFile(file, made.text);
  if (!written.ok) return failed([{ ...refusal('OUT_NOT_WRITABLE', written.error), where: '--out' }], false);
  print(whereItIs(file, folder, environment));
  return EXIT.done;
}

const isContainer = (environment: Environment): boolean =>
  (environment.SLIPWAY_HOST_DIR ?? '') !== '' || existsSync('/.dockerenv') || existsSync('/run/.containerenv');

/** The first line is the seed's own. */
function whereItIs(file: string, folder: string, environment: Environment): string {
  const hostFolder = environment.SLIPWAY_HOST_DIR ?? '';
  const onHost = hostFolder === '' ? '' : `On the host: ${join(hostFolder, relative(folder, file))}\n`;
  return (
    `Config created:${file}\n${onHost}` +
    `Next: slipway-relay install --check -c ${file}\n      slipway-relay install -s true -c ${file}\n`
  );
}
