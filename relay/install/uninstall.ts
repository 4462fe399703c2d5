// `slipway-relay uninstall -c pcg.yaml`: the command. What it does is in uninstall-gateway.ts.
import { createNodePorts } from '../adapters/node-ports.ts';
import { createCallConsole } from '../adapters/post-json.ts';
import { isEndOfPrompts } from '../adapters/terminal-prompts.ts';
import { UNINSTALL_HELP } from '../help.ts';
import { RELAY_VERSION } from '../version.ts';
import { parseUninstallArguments, type UninstallArguments } from './arguments.ts';
import { createConsoleApi } from './console-api.ts';
import { forgetInstalled } from './installed.ts';
import { EXIT, failed, misused, print } from './installer-output.ts';
import { type Environment, readSettings } from './read-settings.ts';
import { temporaryConfig } from './temporary-config.ts';
import { inTemporaryWorld, temporaryState } from './temporary-world.ts';
import { type Uninstalled, uninstallGateway } from './uninstall-gateway.ts';

const AGENT = `slipway-relay/${RELAY_VERSION}`;

/** Resolves with the exit status. @param mainFile the entry point of the program */
export async function uninstall(args: readonly string[], environment: Environment, mainFile: string): Promise<number> {
  const parsed = parseUninstallArguments(args);
  if (!parsed.ok) return misused(parsed.error, 'uninstall');
  if (parsed.value === 'help') {
    print(UNINSTALL_HELP);
    return EXIT.done;
  }
  try {
    return await perform(parsed.value, environment, mainFile);
  } catch (error) {
    if (!isEndOfPrompts(error)) throw error;
    process.stderr.write('\nEnded: nothing was changed.\n');
    return EXIT.interrupted;
  }
}

async function perform(given: UninstallArguments, environment: Environment, mainFile: string): Promise<number> {
  const settings = await readSettings(given, environment);
  if (!settings.ok) return failed(settings.error, given.json);
  const loaded = await temporaryConfig(settings.value, temporaryState(given.configFile), environment);
  if (!loaded.ok) return failed(loaded.error, given.json);
  const { console: origin, apiKey, proxy } = settings.value;
  const api =
    apiKey === null ? null : createConsoleApi(origin, apiKey, createCallConsole(proxy, loaded.value.ca, AGENT));
  const released = new Set<string>();
  const parts = { loaded: loaded.value, configFile: given.configFile, api, mainFile, agent: AGENT };
  const ended = await inTemporaryWorld(
    {
      ...parts,
      ports: createNodePorts(() => {}),
      changing: (intent) => {
        if (!intent.startsWith('release ') || released.has(intent)) return;
        released.add(intent);
        print(`           ${intent}\n`);
      },
    },
    (world) => uninstallGateway(settings.value, world),
  );
  if (!ended.ok) return failed([ended.error], given.json);
  if (ended.value === 'interrupted') {
    print(`Nothing is lost: the same command carries on.\n  slipway-relay uninstall -c ${given.configFile}\n`);
    return EXIT.interrupted;
  }
  await forgetInstalled(given.configFile);
  print(summary(ended.value, released));
  const { gateway, machines } = ended.value;
  if (given.json) print(`${JSON.stringify({ gateway, phase: 'deleted', machines })}\n`);
  return EXIT.done;
}

function summary({ gateway, machines }: Uninstalled, released: ReadonlySet<string>): string {
  const names = machines.map(({ slot, hostname, systemId }) => `  ${slot}: ${hostname ?? '-'} (${systemId ?? 'none'})`);
  const given = names.length > 0 ? names : [...released].map((intent) => `  ${intent.replace('release ', '')}`);
  const back = given.length === 0 ? 'It had no machines of its own.\n' : `Given back:\n${given.join('\n')}\n`;
  return `Gateway ${gateway.name} (${gateway.id}) is deleted.\n${back}`;
}
