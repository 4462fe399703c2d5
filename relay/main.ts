#!/usr/bin/env node
// slipway-relay: the part of Slipway inside the datacentre. This file reads the command line; run.ts puts the relay together.
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { loadConfig } from './adapters/load-config.ts';
import { openDisk } from './adapters/node-disk.ts';
import { wallClock } from './adapters/node-ports.ts';
import { createPostJson } from './adapters/post-json.ts';
import { readPairingCodeInput } from './adapters/read-pairing-code.ts';
import { readSecretFile } from './adapters/secret-file.ts';
import { readTextFile } from './adapters/text-file.ts';
import type { ConfigProblem } from './config.ts';
import { diagnose, printChecks } from './doctor.ts';
import { DOCTOR_HELP, HELP, PAIR_HELP, RECOVER_HELP, RUN_HELP } from './help.ts';
import { isInstallFlag } from './install/arguments.ts';
import { reasonOf } from './log.ts';
import { pair } from './pair.ts';
import { acceptedLine } from './program/describe-programs.ts';
import { recover } from './recover.ts';
import { run } from './run.ts';
import { RELAY_VERSION, versionLine } from './version.ts';

const OK = 0;
const FAILED = 1;
const WRONG_USE = 2;

const OPTIONS = {
  config: { type: 'string' },
  console: { type: 'string' },
  replace: { type: 'boolean', default: false },
  'salvage-journal': { type: 'boolean', default: false },
  trial: { type: 'boolean', default: false },
  bundle: { type: 'string' },
  key: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
  version: { type: 'boolean', default: false },
} as const;
/** Which options a command takes besides --config and --help. */
const TAKES: Readonly<Record<string, readonly string[]>> = {
  pair: ['console', 'replace', 'json'],
  run: ['salvage-journal', 'trial'],
  doctor: ['json'],
  recover: ['bundle', 'key', 'json'],
  version: [],
};
const WAITS_FOR_KEY =
  'The gateway has its key already: this node is given it by one that holds it, once both are running.\n';
const HELP_OF: Readonly<Record<string, string>> = {
  pair: PAIR_HELP,
  run: RUN_HELP,
  doctor: DOCTOR_HELP,
  recover: RECOVER_HELP,
};

type Values = ReturnType<typeof parse>['values'];
const parse = (args: string[]) => parseArgs({ args, options: OPTIONS, allowPositionals: true, strict: true });

async function main(args: string[]): Promise<number> {
  if (args[0] === 'install' || isInstallFlag(args[0])) {
    // Only then: a relay that serves needs no prompts in its memory.
    const { install } = await import('./install/install.ts');
    return install(args[0] === 'install' ? args.slice(1) : args, process.env, import.meta.filename);
  }
  if (args[0] === 'uninstall') {
    const { uninstall } = await import('./install/uninstall.ts');
    return uninstall(args.slice(1), process.env, import.meta.filename);
  }
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    return misused(reasonOf(error));
  }
  const { values, positionals } = parsed;
  const [command, ...operands] = positionals;
  if (values.version || command === 'version')
    return print(`${versionLine()}${await acceptedLine(environmentOf(values))}`);
  if (values.help) return print(HELP_OF[command ?? ''] ?? HELP);
  if (command === undefined) return misused('a command is missing');
  const takes = TAKES[command];
  if (takes === undefined) return misused(`there is no command ${command}`);
  const given = args.flatMap((arg) => (arg.startsWith('--') ? [arg.slice(2).split('=')[0] ?? ''] : []));
  const foreign = given.find((name) => !takes.includes(name) && name !== 'config');
  if (foreign !== undefined) return misused(`${command} takes no option --${foreign}`);
  if (operands.length > 0) {
    return misused(
      command === 'pair'
        ? 'pair asks for the code, or reads it from standard input: a command line can be seen by others'
        : `${command} takes no operands`,
    );
  }
  return perform(command, values);
}

const environmentOf = (values: Values) => ({
  ...process.env,
  ...(values.config === undefined ? {} : { SLIPWAY_CONFIG: values.config }),
  ...(values.console === undefined ? {} : { SLIPWAY_CONSOLE: values.console }),
});

async function perform(command: string, values: Values): Promise<number> {
  const environment = environmentOf(values);
  const loaded = await loadConfig(environment);
  if (!loaded.ok) return badSettings(loaded.error);
  switch (command) {
    case 'pair':
      return pairHere(await readPairingCodeInput(), values, loaded.value);
    case 'recover':
      return recoverHere(values, loaded.value);
    case 'doctor': {
      const checks = await diagnose(loaded.value);
      print(values.json ? `${JSON.stringify({ checks })}\n` : printChecks(checks));
      return checks.some((check) => check.status === 'failed') ? FAILED : OK;
    }
    default:
      return run(loaded.value, {
        salvageJournal: values['salvage-journal'],
        trial: values.trial,
        environment,
        mainFile: import.meta.filename,
      });
  }
}

async function pairHere(code: string, values: Values, { config, ca }: Parameters<typeof run>[0]): Promise<number> {
  if (config.console === null) {
    return refused('The console is not known.', 'Set SLIPWAY_CONSOLE or give --console https://…', values.json);
  }
  const disk = await openDisk(config.stateDir);
  if (!disk.ok)
    return refused(disk.error.detail, 'Make the state folder writable, or set SLIPWAY_STATE_DIR.', values.json);
  const pairing = {
    code,
    console: config.console,
    hostname: hostname(),
    relayVersion: RELAY_VERSION,
    replace: values.replace,
    now: wallClock(),
  };
  const agent = `slipway-relay/${RELAY_VERSION}`;
  const paired = await pair(pairing, disk.value, createPostJson(config.proxy, ca, agent));
  if (!paired.ok) return refused(paired.error.message, paired.error.todo, values.json);
  const { identity, keyFingerprint, already, holdsKey } = paired.value;
  if (values.json) {
    const { gatewayId, gatewayName, nodeId } = identity;
    return print(`${JSON.stringify({ gatewayId, gatewayName, nodeId, keyFingerprint, already, holdsKey })}\n`);
  }
  return print(
    `${already ? 'Paired already' : 'Paired'}: gateway ${identity.gatewayName} (${identity.gatewayId}), node ${identity.nodeId}\n` +
      `Key fingerprint: ${keyFingerprint}\n${holdsKey ? '' : WAITS_FOR_KEY}Next: slipway-relay run\n`,
  );
}

async function recoverHere({ bundle, key, json }: Values, { config }: Parameters<typeof run>[0]): Promise<number> {
  if (bundle === undefined || key === undefined) return misused('recover takes --bundle FILE and --key FILE');
  const sealed = await readTextFile(bundle);
  if (!sealed.ok) return refused(sealed.error, 'Correct the path of --bundle.', json);
  const pem = await readSecretFile(key);
  if (!pem.ok) return refused(pem.error, 'Correct --key, or the permissions of that file.', json);
  const disk = await openDisk(config.stateDir);
  if (!disk.ok) return refused(disk.error.detail, 'Make the state folder writable, or set SLIPWAY_STATE_DIR.', json);
  const recovered = await recover(sealed.value, pem.value, disk.value);
  if (!recovered.ok) return refused(recovered.error.message, recovered.error.todo, json);
  const { gatewayId, keyVersion } = recovered.value.bundle;
  const { sealingKey, already } = recovered.value;
  if (json) return print(`${JSON.stringify({ gatewayId, keyVersion, sealingKey, already })}\n`);
  return print(
    `${already ? 'Recovered already' : 'Recovered'}: the key of gateway ${gatewayId}, version ${keyVersion}, is in ${config.stateDir}\n` +
      `Its public half: ${sealingKey}\nNext: slipway-relay pair, with a new pairing code of that gateway\n`,
  );
}

function print(text: string): number {
  process.stdout.write(text);
  return OK;
}

function refused(message: string, todo: string, json: boolean): number {
  if (json) process.stdout.write(`${JSON.stringify({ error: message, todo })}\n`);
  process.stderr.write(`${message}\n${todo}\n`);
  return FAILED;
}

function misused(why: string): number {
  process.stderr.write(`slipway-relay: ${why}\nTry: slipway-relay --help\n`);
  return WRONG_USE;
}

function badSettings(problems: readonly ConfigProblem[]): number {
  process.stderr.write('The settings are wrong:\n');
  for (const { setting, message } of problems) process.stderr.write(`  ${setting} ${message}\n`);
  return FAILED;
}

// Connections kept alive to MAAS and Kubernetes must not hold up a stop: all that counts is on disk by now.
process.exit(await main(process.argv.slice(2)));
