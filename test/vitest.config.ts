// Which tests run where: plain Node for pure logic and real processes, workerd for the edge.
import { generateKeyPairSync } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

/** A new one for each run: nothing may depend on a certain key. */
const commandKey = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64');

const release = generateKeyPairSync('ed25519');
const releaseKey = release.publicKey.export({ format: 'jwk' }).x ?? '';
const releaseSigner = release.privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64');

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const DEMO = 'test/end-to-end/demo.test.ts';

/** Writes what this version stores and sends; only when it is asked for, at a release. */
const recorder = process.env.SLIPWAY_GOLDEN === undefined ? ['test/contract/golden-record.test.ts'] : [];

export default defineConfig({
  root: at('..'),
  test: {
    projects: [
      { test: { name: 'tidy', include: ['test/tidy.test.ts'] } },
      {
        test: {
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/tidy.test.ts', 'test/edge/**', 'test/end-to-end/**', ...recorder],
          // Vitest leaves one processor of two idle; what these start waits more than it works.
          maxWorkers: 2,
          testTimeout: 60_000,
        },
      },
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: at('../wrangler.toml') },
            miniflare: {
              cf: false,
              bindings: {
                TEST_MIGRATIONS: await readD1Migrations(at('../migrations')),
                SETUP_SECRET: 'the setup secret of the tests',
                COMMAND_KEY: commandKey(),
                RELEASE_KEY: releaseKey,
                TEST_RELEASE_SIGNER: releaseSigner,
                PUBLIC_ORIGIN: 'https://slipway.test',
                WAITS: JSON.stringify({ retryMsMin: 20, retryMsMax: 200 }),
              },
            },
          }),
        ],
        test: {
          name: 'edge',
          include: ['test/edge/**/*.test.ts'],
          setupFiles: [at('./edge/apply-migrations.ts')],
          maxWorkers: 2,
        },
      },
      {
        // Whole stacks of real processes, which mostly wait: two files at a time, three stories of each. More would only wait
        // for the processors while they start.
        test: {
          name: 'end-to-end',
          include: ['test/end-to-end/**/*.test.ts'],
          exclude: [DEMO],
          maxWorkers: 2,
          maxConcurrency: 3,
          testTimeout: 300_000,
          hookTimeout: 60_000,
        },
      },
      {
        // Alone: it is judged by how long it takes.
        test: { name: 'demo', include: [DEMO], maxWorkers: 1, testTimeout: 300_000, hookTimeout: 60_000 },
      },
    ],
  },
});
