// `npm test`: types, lint, laws, bundle, then every test; ends on one line 'N passed, N failed'.
// A step that is not a test run counts as one. Output of a step is shown as it comes.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const REPORTS = join(ROOT, '.slipway', 'reports');
const QUIET = {
  WRANGLER_SEND_METRICS: 'false',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_LOG_PATH: join(ROOT, '.slipway', 'wrangler-logs'),
  CI: '1',
};

type Count = { passed: number; failed: number; skipped: number };
const VitestReport = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numPendingTests: z.int(),
  numTotalTestSuites: z.int(),
  success: z.boolean(),
});

const total: Count = { passed: 0, failed: 0, skipped: 0 };
const slow: string[] = [];

async function run(name: string, command: string, args: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  console.log(`\n== ${name}`);
  const child = spawn(command, args, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...QUIET } });
  const code = await new Promise<number>((resolve) => {
    child.on('error', () => resolve(127));
    child.on('close', (status) => resolve(status ?? 1));
  });
  slow.push(`${name} ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  return code;
}

async function step(name: string, command: string, args: readonly string[]): Promise<void> {
  if ((await run(name, command, args)) === 0) total.passed += 1;
  else total.failed += 1;
}

async function tests(project: string): Promise<void> {
  const report = join(REPORTS, `${project}.json`);
  const code = await run(`tests: ${project}`, 'vitest', [
    'run',
    '--config',
    'test/vitest.config.ts',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ]);
  try {
    const counted = VitestReport.parse(JSON.parse(readFileSync(report, 'utf8')));
    total.passed += counted.numPassedTests;
    total.failed += counted.numFailedTests;
    total.skipped += counted.numPendingTests;
    // An error outside a test (an unhandled rejection, a file that does not load) fails the run without failing a test.
    if (code !== 0 && counted.numFailedTests === 0) total.failed += 1;
  } catch (error) {
    console.error(`no report of ${project}: ${String(error)}`);
    total.failed += 1;
  }
}

rmSync(REPORTS, { recursive: true, force: true });
mkdirSync(REPORTS, { recursive: true });
await step('types', 'tsc', ['--build']);
await step('lint', 'biome', ['check', '.']);
await tests('tidy');
await step('bundle (wrangler deploy --dry-run)', 'wrangler', ['deploy', '--dry-run', '--outdir', '.slipway/dry-run']);
for (const project of ['node', 'edge', 'end-to-end', 'demo']) await tests(project);

console.log(`\n${slow.join(' · ')}`);
if (total.skipped > 0)
  console.log(`${total.skipped} skipped: they need root or a Debian package; each says so where it stands`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;
