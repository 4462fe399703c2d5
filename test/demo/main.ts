// `npm run demo`: the whole product on this machine, for a person to watch or a script to judge. See options.ts.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { defaultInventory, type Inventory, parseInventory } from '../lab/inventory.ts';
import { LAB_USER } from '../lab/lab.ts';
import { HOST_NETWORK } from '../lab/machines/host-network.ts';
import { ownLoopback } from '../support/own-loopback.ts';
import { type Site, type SiteOptions, startSite } from '../support/site.ts';
import { startStack } from '../support/stack.ts';
import { createCluster } from './create-cluster.ts';
import { gatewayLife } from './gateway-life.ts';
import { labAddress } from './lab-address.ts';
import { DEMO_HELP, type DemoOptions, parseDemoOptions } from './options.ts';
import { countOf, type DemoOutcome, exitCodeOf } from './outcome.ts';
import { type Progress, progressTo } from './progress.ts';

/** As a shell says of a command that Ctrl-C ended. */
const INTERRUPTED = 130;
/** Machines, lab, relay and control plane end within a few seconds. */
const CLOSE_MS_MAX = 20_000;
/** Ctrl-C ends our helpers too, and what breaks for want of them may be told before the signal reaches this process. */
const SIGNAL_MS_MAX = 500;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

async function main(): Promise<number> {
  const parsed = parseDemoOptions(process.argv.slice(2));
  if (!parsed.ok) {
    console.error(`${parsed.error}\n\n${DEMO_HELP}`);
    return 2;
  }
  const options = parsed.value;
  if (options.help) {
    console.log(DEMO_HELP);
    return 0;
  }
  const folder = join(ROOT, '.slipway', 'demo');
  mkdirSync(folder, { recursive: true });
  const stateDir = mkdtempSync(join(folder, 'run-'));
  // Whatever ends this process: a helper that Ctrl-C ended before us may leave us waiting for it for ever.
  process.once('exit', () => rmSync(stateDir, { recursive: true, force: true }));
  let wasInterrupted = false;
  const interrupted = onInterrupt().then(() => {
    wasInterrupted = true;
  });
  const code = await Promise.race([perform(options, stateDir, interrupted), interrupted.then(() => INTERRUPTED)]);
  await Promise.race([closeStack?.(), delay(CLOSE_MS_MAX)]);
  return wasInterrupted ? INTERRUPTED : code;
}

/** Set as soon as there is something to close, so that an interruption at any moment leaves no process behind. */
let closeStack: (() => Promise<void>) | null = null;

async function perform(options: DemoOptions, stateDir: string, interrupted: Promise<void>): Promise<number> {
  // With --json stdout carries the last line only.
  const progress = progressTo(
    (text) => (options.json ? process.stderr : process.stdout).write(text),
    () => performance.now(),
  );
  const recent: string[] = [];
  let stage: Stage | null = null;
  let outcome: DemoOutcome;
  try {
    progress.say(`starting the control plane, the lab${options.story === 'create' ? ' and the relay' : ''}`);
    const inventory = await inventoryFor(options);
    const starting = setStage(options, {
      stateDir,
      inventory,
      driver: options.driver,
      address: labAddress(options.driver, inventory),
      ...(options.port === undefined ? {} : { port: options.port }),
      log: (line) => {
        recent.push(line);
        if (recent.length > 200) recent.shift();
      },
    });
    closeStack = async () => (await starting.catch(() => null))?.close();
    stage = await starting;
    progress.say(`control plane ${stage.site.controlPlane.url}, MAAS ${stage.site.lab.url}, ${stage.gateway}`);
    outcome = await stage.play(progress);
  } catch (error) {
    await Promise.race([interrupted, delay(SIGNAL_MS_MAX)]);
    progress.say(`broken: ${error instanceof Error ? error.message : String(error)}`);
    for (const line of recent.slice(-40)) progress.say(`  ${line}`);
    outcome = {
      phase: 'failed',
      code: 'DEMO_BROKEN',
      leftovers: stage === null ? 0 : countOf(stage.site.lab.leftovers(LAB_USER)),
    };
  }
  if (options.json) console.log(JSON.stringify(outcome));
  else progress.say(JSON.stringify(outcome));
  if (!options.exit && stage !== null) {
    const { controlPlane, apiKey, lab } = stage.site;
    progress.say(`API ${controlPlane.url}/v1 with key ${apiKey}`);
    progress.say(`MAAS ${lab.url} with key ${lab.userKey}`);
    progress.say('Ctrl-C ends everything');
    await interrupted;
  }
  return exitCodeOf(outcome, options.exit);
}

/** What a story plays on. */
type Stage = {
  readonly site: Site;
  readonly gateway: string;
  play(progress: Progress): Promise<DemoOutcome>;
  close(): Promise<void>;
};

async function setStage(options: DemoOptions, siteOptions: SiteOptions): Promise<Stage> {
  if (options.story === 'create') {
    const stack = await startStack(siteOptions);
    return {
      site: stack,
      gateway: `gateway ${stack.gateway.name} connected`,
      play: (progress) => createCluster(stack, options, progress),
      close: stack.close,
    };
  }
  const site = await startSite(siteOptions);
  const life = gatewayLife(site, siteOptions.stateDir);
  return {
    site,
    gateway: 'no gateway yet',
    play: (progress) => life.play(options.exit, progress),
    close: async () => {
      await life.close();
      await site.close();
    },
  };
}

async function inventoryFor(options: DemoOptions): Promise<Inventory> {
  if (options.inventory !== undefined) {
    const parsed = parseInventory(readFileSync(options.inventory, 'utf8'));
    if (!parsed.ok) throw new Error(parsed.error.detail);
    return parsed.value;
  }
  return defaultInventory({
    machines: options.labMachines,
    zones: 3,
    ...(options.driver === 'cloud-init' ? { network: HOST_NETWORK } : { loopback: await ownLoopback() }),
  });
}

function onInterrupt(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}

process.exitCode = await main();
// The Kubernetes client keeps sockets; nothing of ours is left to wait for.
process.exit();
