// `npm run chaos`: real processes, killed. See options.ts.
import { createWriteStream, rmSync, type WriteStream } from 'node:fs';
import { tempStateDir } from '../end-to-end/scene.ts';
import { CHAOS_HELP, type ChaosOptions, parseChaosOptions } from './options.ts';
import { exitCodeOf, type Outcome, type Run, runChaos } from './run.ts';

const SEEDS = 2 ** 31;

async function main(): Promise<number> {
  const parsed = parseChaosOptions(process.argv.slice(2));
  if (!parsed.ok) {
    console.error(`${parsed.error}\n\n${CHAOS_HELP}`);
    return 2;
  }
  if (parsed.value.help) {
    console.log(CHAOS_HELP);
    return 0;
  }
  const options = { ...parsed.value, seed: parsed.value.seed ?? Math.floor(Math.random() * SEEDS) };
  const stateDir = tempStateDir();
  const closers: (() => Promise<void>)[] = [];
  try {
    return await perform(options, stateDir, closers);
  } finally {
    for (const close of closers.splice(0).reverse())
      await close().catch((error: unknown) => console.error('not closed:', error));
    rmSync(stateDir, { recursive: true, force: true });
  }
}

async function perform(
  options: ChaosOptions & { readonly seed: number },
  stateDir: string,
  closers: (() => Promise<void>)[],
): Promise<number> {
  const startedAtMs = performance.now();
  const file = options.log === undefined ? null : createWriteStream(options.log);
  const say = (line: string): void => {
    const at = ((performance.now() - startedAtMs) / 1_000).toFixed(1).padStart(7);
    (options.json ? process.stderr : process.stdout).write(`${at} s  ${line}\n`);
    file?.write(`${new Date().toISOString()} driver: ${line}\n`);
  };
  const isInterrupted = interruption();
  const run: Run = { ...{ options, stateDir, closers, say, isInterrupted }, log: (line) => logLine(file, line) };
  say(`seed ${options.seed}: npm run chaos -- ${commandOf(options)}`);
  let outcome: Outcome | null = null;
  try {
    const judged = await runChaos(run);
    // What was cut off in the middle proves nothing, neither way.
    if (isInterrupted()) say('interrupted');
    else outcome = judged;
    if (outcome !== null) console.log(JSON.stringify(outcome));
  } finally {
    // Those that end still have something to say.
    closers.unshift(async () => void file?.end());
  }
  return outcome === null ? 130 : exitCodeOf(outcome);
}

function logLine(file: WriteStream | null, line: string): void {
  if (!line.includes('"event":"request"')) file?.write(`${new Date().toISOString()} ${line}\n`);
}

const commandOf = ({ relayKills, edgeKills, lanes, seed, productionWaits }: ChaosOptions): string =>
  [
    `--relay-kills ${relayKills} --edge-kills ${edgeKills} --lanes ${lanes} --seed ${seed}`,
    ...(productionWaits ? ['--production-waits'] : []),
  ].join(' ');

/** The first signal ends the run in order; a second one ends the process. */
function interruption(): () => boolean {
  let came = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      came = true;
      process.once(signal, () => process.exit(130));
    });
  return () => came;
}

process.exitCode = await main();
process.exit();
