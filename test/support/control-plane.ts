// The control plane on this machine: the Worker's own bundle in workerd, with real Durable Objects, alarms, D1 and sockets,
// through Miniflare. The same state folder again gives the same control plane again.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { Miniflare } from 'miniflare';
import { BINDINGS } from '../../functions/bindings.ts';
import type { EdgeWaits } from '../../shared/limits.ts';
import { type ProgramPlatform, programKey, type ReleaseVersion } from '../../shared/release.ts';
import { ensureDeploySecrets } from './deploy-secrets.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { name: WORKER, catalogue: CATALOGUE, releases: RELEASES } = BINDINGS;

export type ControlPlane = {
  readonly url: string;
  readonly setupSecret: string;
  /** What releases of it are signed with: PKCS#8, base64. */
  readonly releaseSigner: string;
  /** Stores a program as an operator does before a release is published. */
  putProgram(version: ReleaseVersion, platform: ProgramPlatform, program: Uint8Array): Promise<void>;
  close(): Promise<void>;
};

export type ControlPlaneOptions = {
  /** Durable Objects, D1 and the deploy secrets live here. */
  readonly stateDir: string;
  /** A free port when left out. */
  readonly port?: number;
  readonly waits?: Partial<EdgeWaits>;
  /** What relays dial when it is not the address listened on, such as a proxy's. */
  readonly publicOrigin?: string;
  /** Another entry than the product's, and what it needs of environment. */
  readonly worker?: { readonly entry: string; readonly environment: Readonly<Record<string, string>> };
  /** What the Worker logs; dropped when left out. */
  log?(line: string): void;
};

export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  mkdirSync(options.stateDir, { recursive: true });
  const secrets = await ensureDeploySecrets(options.stateDir);
  const port = options.port ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const before = { SIGINT: process.listeners('SIGINT'), SIGTERM: process.listeners('SIGTERM') };
  const miniflare = new Miniflare(
    miniflareOptions(options, port, await bundleWorker(options.worker?.entry ?? BINDINGS.main), {
      ...options.worker?.environment,
      SETUP_SECRET: secrets.setupSecret,
      COMMAND_KEY: secrets.commandKey,
      RELEASE_KEY: secrets.releaseKey,
      PUBLIC_ORIGIN: options.publicOrigin ?? url,
      WAITS: JSON.stringify(options.waits ?? {}),
    }),
  );
  await miniflare.ready;
  restoreSignals(before);
  await applyMigrations(miniflare);
  const { setupSecret, releaseSigner } = secrets;
  const putProgram: ControlPlane['putProgram'] = async (version, platform, program) => {
    const bucket = await miniflare.getR2Bucket(RELEASES.binding, WORKER);
    await bucket.put(programKey(version, platform), program);
  };
  return { url, setupSecret, releaseSigner, putProgram, close: () => miniflare.dispose() };
}

function miniflareOptions(options: ControlPlaneOptions, port: number, bundle: string, text: Record<string, string>) {
  return {
    host: '127.0.0.1',
    port,
    cf: false as const,
    logRequests: false,
    telemetry: { enabled: false },
    handleStructuredLogs: ({ message }: { message: string }) => options.log?.(message),
    resourcePersistencePath: join(options.stateDir, 'resources'),
    workers: [
      {
        config: {
          name: WORKER,
          compatibilityDate: BINDINGS.compatibilityDate,
          compatibilityFlags: [...BINDINGS.compatibilityFlags],
          manifest: {
            mainModule: 'worker.mjs',
            modulesRoot: ROOT,
            modules: { 'worker.mjs': { type: 'esm' as const, contents: bundle } },
          },
          env: {
            [CATALOGUE.binding]: { type: 'd1' as const, id: WORKER },
            [RELEASES.binding]: { type: 'r2' as const, name: RELEASES.bucketName },
            ...Object.fromEntries(
              BINDINGS.objects.map(({ binding, className: exportName }) => [
                binding,
                { type: 'durable-object' as const, worker: WORKER, exportName },
              ]),
            ),
            ...Object.fromEntries(
              Object.entries(text).map(([name, value]) => [name, { type: 'text' as const, value }]),
            ),
          },
          exports: Object.fromEntries(
            BINDINGS.objects.map(({ className: exportName }) => [
              exportName,
              { type: 'durable-object' as const, storage: 'sqlite' as const },
            ]),
          ),
        },
        dev: { rootPath: ROOT },
      },
    ],
  };
}

async function bundleWorker(entry: string): Promise<string> {
  const built = await build({
    entryPoints: [join(ROOT, entry)],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2023',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
    logLevel: 'error',
  });
  const file = built.outputFiles[0];
  if (file === undefined) throw new Error('esbuild made no bundle of the worker');
  return file.text;
}

/** Miniflare ends the process on a signal before anyone may clean up (workers.md §3): take its listeners off again. */
function restoreSignals(before: Record<'SIGINT' | 'SIGTERM', NodeJS.SignalsListener[]>): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    for (const listener of process.listeners(signal))
      if (!before[signal].includes(listener)) process.removeListener(signal, listener);
  }
}

/** Each migration runs once, in order; a table of ours remembers which ran. */
async function applyMigrations(miniflare: Miniflare): Promise<void> {
  const database = await miniflare.getD1Database(CATALOGUE.binding, WORKER);
  await database.prepare('CREATE TABLE IF NOT EXISTS applied_migrations (name TEXT PRIMARY KEY)').run();
  const folder = join(ROOT, CATALOGUE.migrations);
  for (const name of readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()) {
    const done = await database.prepare('SELECT name FROM applied_migrations WHERE name = ?').bind(name).first();
    if (done !== null) continue;
    const statements = readFileSync(join(folder, name), 'utf8').split('--> statement-breakpoint');
    await database.batch([
      ...statements.map((statement) => database.prepare(statement)),
      database.prepare('INSERT INTO applied_migrations (name) VALUES (?)').bind(name),
    ]);
  }
}

/** A port that is free on `address` now. */
export async function freePort(address = '127.0.0.1'): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const bound = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (bound === null || typeof bound === 'string') throw new Error('the system gave no port');
  return bound.port;
}
