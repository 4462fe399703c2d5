// `slipway-relay install`: asks and writes pcg.yaml, checks, or installs from it. This file puts the real parts together.
import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { err, ok, type Result } from '../../shared/result.ts';
import { createHostSystem } from '../adapters/host-system.ts';
import { openDisk } from '../adapters/node-disk.ts';
import { createNodePorts } from '../adapters/node-ports.ts';
import { createWithMaas, maasTime } from '../adapters/open-maas.ts';
import { packagedFile } from '../adapters/packaged-file.ts';
import { createCallConsole, createPostJson } from '../adapters/post-json.ts';
import { getOnce } from '../adapters/probes.ts';
import { createTerminalPrompts, isEndOfPrompts } from '../adapters/terminal-prompts.ts';
import { canWriteBelow, readTextFile, writeNewFile } from '../adapters/text-file.ts';
import { readAuthorities } from '../adapters/trusted-authorities.ts';
import { type Check, checkConsole, printChecks } from '../doctor.ts';
import { INSTALL_HELP } from '../help.ts';
import { RELAY_VERSION } from '../version.ts';
import { type InstallArguments, parseInstallArguments } from './arguments.ts';
import type { Surroundings } from './asking.ts';
import { createConsoleApi } from './console-api.ts';
import { installOnHost, stateFolder } from './host-install.ts';
import { type InstallProblem, printProblems, problemJson, type Refusal, refusal } from './install-problem.ts';
import { interview } from './interview.ts';
import { lookAtMaas } from './maas-site.ts';
import { makeConfig, readPassphrase } from './make-config.ts';
import { readPcgFile } from './pcg-file.ts';
import { runPreflights } from './preflight.ts';
import { PROMPTS } from './prompts.ts';
import { parseReference, resolveSecret, type SecretSources } from './secret.ts';
import { API_KEY_VARIABLE, openSettings, type Settings } from './settings.ts';

export const EXIT = { done: 0, failed: 1, wrongUse: 2, notBuilt: 3 } as const;
const AGENT = `slipway-relay/${RELAY_VERSION}`;
/** Where the seed's container has its mounted folder. */
const CONTAINER_FOLDER = '/opt/slipway';
const MAAS_TIME_MS_MAX = 10_000;

type Environment = Readonly<Record<string, string | undefined>>;

/** Resolves with the exit status. @param mainFile the entry point of the program */
export async function install(args: readonly string[], environment: Environment, mainFile: string): Promise<number> {
  const parsed = parseInstallArguments(args);
  if (!parsed.ok) return misused(parsed.error);
  const given = parsed.value;
  const ports = createNodePorts(() => {});
  try {
    switch (given.mode) {
      case 'help':
        print(INSTALL_HELP);
        return EXIT.done;
      case 'interactive':
        return await ask(given, environment, ports);
      default:
        return await perform(given, environment, ports, mainFile);
    }
  } catch (error) {
    if (!isEndOfPrompts(error)) throw error;
    process.stderr.write('\nEnded: nothing was written.\n');
    return EXIT.failed;
  }
}

type Ports = ReturnType<typeof createNodePorts>;

async function ask(given: InstallArguments, environment: Environment, ports: Ports): Promise<number> {
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
    `Next: slipway-relay install --check -c ${file}\n      slipway-relay install -s true -c ${file} --host\n`
  );
}

async function perform(
  given: InstallArguments,
  environment: Environment,
  ports: Ports,
  mainFile: string,
): Promise<number> {
  const read = await readSettings(given, environment);
  if (!read.ok) return failed(read.error, given.json);
  // With --host the relay needs the same authorities as this program.
  const settings = { ...read.value, caFile: read.value.caFile ?? environment.SLIPWAY_CA_FILE ?? null };
  const ca = await readAuthorities(settings.caFile);
  if (!ca.ok) return failed([{ ...refusal('SECRET_UNREADABLE', ca.error), where: 'console.caFile' }], given.json);
  const system = createHostSystem(mainFile);
  const { proxy } = settings;
  const api =
    settings.apiKey === null
      ? null
      : createConsoleApi(settings.console, settings.apiKey, createCallConsole(proxy, ca.value, AGENT));
  const withMaas = createWithMaas(ports);
  const checks = await runPreflights(settings, {
    console: () => checkConsole({ proxy }, ca.value, settings.console),
    api,
    maas: () => withMaas(settings.maas, (maas) => lookAtMaas(maas, ports.clock.now)),
    maasTime: () => maasTime(settings.maas, MAAS_TIME_MS_MAX),
    now: ports.clock.now,
    host: given.host ? async () => [checkHost(given, system.isRoot)] : null,
  });
  print(given.json ? `${JSON.stringify({ checks })}\n` : printChecks(checks));
  const failures = checks.filter((check) => check.status === 'failed').length;
  if (failures > 0) {
    process.stderr.write(`${failures} of ${checks.length} checks failed; nothing was changed.\n`);
    return EXIT.failed;
  }
  if (given.mode === 'check') return EXIT.done;
  if (!given.host) return notBuilt(settings);
  const installed = await installOnHost(settings, given, {
    system,
    packaged: packagedFile,
    openState: openDisk,
    post: createPostJson(proxy, ca.value, AGENT),
    api,
    timers: ports.timers,
    now: ports.clock.now,
    random: ports.random.bytes,
    say: (text) => print(`${text}\n`),
  });
  if (!installed.ok) return failed([installed.error], false);
  const { identity, connected, account } = installed.value;
  print(summary(given, identity.gatewayName, connected, account));
  return EXIT.done;
}

async function readSettings(
  given: InstallArguments,
  environment: Environment,
): Promise<Result<Settings, InstallProblem[]>> {
  const text = await readTextFile(given.configFile);
  if (!text.ok) return err([...given.problems, { ...refusal('CONFIG_UNREADABLE', text.error), where: '-c' }]);
  const file = readPcgFile(text.value, given.overrides);
  if (!file.ok || given.problems.length > 0) return err([...given.problems, ...(file.ok ? [] : file.error)]);
  let passphrase: ReturnType<SecretSources['passphrase']> | null = null;
  return openSettings(file.value, {
    environment,
    readFile: readTextFile,
    passphrase: () => {
      passphrase ??= findPassphrase(given, environment);
      return passphrase;
    },
  });
}

async function findPassphrase(given: InstallArguments, environment: Environment): Promise<Result<string, Refusal>> {
  const known = await knownPassphrase(given, environment);
  if (known !== null) return known;
  if (!process.stdin.isTTY) return err(refusal('PASSPHRASE_NEEDED', 'is sealed, and there is no terminal to ask at'));
  return ok(await createTerminalPrompts().secret({ message: PROMPTS.passphrase, check: async () => true }));
}

/** Null: not given. */
async function knownPassphrase(
  given: InstallArguments,
  environment: Environment,
): Promise<Result<string, Refusal> | null> {
  if (given.passphraseFile !== null) {
    const text = await readTextFile(given.passphraseFile);
    return text.ok ? readPassphrase(text.value.trim()) : err(refusal('SECRET_UNREADABLE', text.error));
  }
  const variable = environment.SLIPWAY_PASSPHRASE ?? '';
  return variable === '' ? null : readPassphrase(variable);
}

function checkHost({ prefix, start }: InstallArguments, isRoot: boolean): Check {
  const fail = (detail: string, todo: string): Check => ({ name: 'host', status: 'failed', detail, todo });
  if (prefix === '' && !isRoot) return fail('this is not root', 'Run this as root.');
  if (start && prefix === '' && !existsSync('/run/systemd/system'))
    return fail(
      'systemd does not run here',
      'Install on a host with systemd, or give --no-start and run the relay yourself.',
    );
  return { name: 'host', status: 'ok', detail: prefix === '' ? 'root, systemd' : `files go below ${prefix}`, todo: '' };
}

function notBuilt({ placement }: Settings): number {
  const nodes = placement?.nodes ?? 1;
  process.stderr.write(
    `All checks passed, and nothing was changed: this build can’t yet install on ${nodes} MAAS machine${nodes === 1 ? '' : 's'}; it installs on a host that exists.\n` +
      'Run the same command with --host, as root, on a host that reaches the console and MAAS and that machines reach on port 8443.\n',
  );
  return EXIT.notBuilt;
}

function summary(
  given: InstallArguments,
  name: string,
  connected: boolean,
  account: 'made' | 'there' | 'not-made',
): string {
  const where = given.prefix === '' ? '' : ` --prefix ${given.prefix}`;
  const again = `slipway-relay install -s true -c ${given.configFile} --host${where}${given.start ? '' : ' --no-start'}`;
  const start =
    given.prefix === ''
      ? 'systemctl enable --now slipway-relay'
      : `SLIPWAY_CONFIG=${given.prefix}/etc/slipway/relay.yaml slipway-relay run`;
  const relay = connected ? 'connected to the console' : `not connected; start it: ${start}`;
  const cloud = {
    made: `${name}, made`,
    there: `${name}, there already`,
    'not-made': `not made: that takes an API key and a connected relay. Make it in the console, or run again:\n  ${API_KEY_VARIABLE}=… ${again}`,
  };
  return (
    `Gateway ${name} is installed on this host.\n` +
    `Relay: ${relay}\nState: ${stateFolder(given)} (back up gateway-key.json)\nCloud account: ${cloud[account]}\n`
  );
}

function failed(problems: readonly InstallProblem[], json: boolean): number {
  if (json) print(`${JSON.stringify({ problems: problems.map(problemJson) })}\n`);
  process.stderr.write(
    `${problems.length === 1 ? 'One thing is' : `${problems.length} things are`} wrong:\n${printProblems(problems)}`,
  );
  return EXIT.failed;
}

function misused(why: string): number {
  process.stderr.write(`slipway-relay: ${why}\nTry: slipway-relay install --help\n`);
  return EXIT.wrongUse;
}

function print(text: string): void {
  process.stdout.write(text);
}
