// A relay in its own process, paired with a small edge that publishes releases.
import { readdirSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { openDisk } from '../../relay/adapters/node-disk.ts';
import { createPostJson } from '../../relay/adapters/post-json.ts';
import { pair } from '../../relay/pair.ts';
import type { Command, CommandOutcome } from '../../shared/command.ts';
import type { SignedRelease } from '../../shared/release.ts';
import { commandOf, identityCommand } from '../relay/commands.ts';
import { type RunningRelay, relayFolder } from '../relay/relay-folder.ts';
import { type FakeEdge, startFakeEdge } from '../support/fake-edge.ts';
import { makeReleaseKey, manifestOf, programFile, programOf, type ReleaseKeyPair, serve } from './release-bench.ts';

/** In it a loaded machine dials, too. */
const HEARTBEAT_MS = 5_000;
/** A loaded machine takes seconds to start a process. */
const WAITS = { heartbeatMs: HEARTBEAT_MS, trialMs: 30_000, startedMs: 60_000 };
export const STAGE_MS_MAX = 60_000;

export type Scene = Awaited<ReturnType<typeof openScene>>;

export async function openScene() {
  const key: ReleaseKeyPair = await makeReleaseKey();
  const edge: FakeEdge = await startFakeEdge();
  edge.manners.releaseKey = key.publicKey;
  const folder = await relayFolder({ SLIPWAY_CONSOLE: edge.origin }, programFile('0.1.0'));
  await pairIn(folder.state, edge);
  const start = (waits: Partial<typeof WAITS> = {}, more: Record<string, string> = {}): RunningRelay =>
    folder.start({ SLIPWAY_UPGRADE_WAITS: JSON.stringify({ ...WAITS, ...waits }), ...more });
  const order = (release: SignedRelease, attempt: number): Command =>
    commandOf(
      { verb: 'ensure-relay-program', release },
      { clusterId: null, subject: 'node', generation: 1, attempt, deadlineAt: Date.now() + 600_000 },
    );
  return {
    key,
    edge,
    folder,
    start,
    /** The command that makes this program the node's, with the program given out by the console. */
    release: async (version: string, attempt = 1, program: Buffer = programOf(version)): Promise<Command> => {
      serve(edge, version, program);
      return order(await key.sign(manifestOf(version, program)), attempt);
    },
    /** Sent, and sent again in each session, until it is settled. */
    ask: async (command: Command): Promise<CommandOutcome> => {
      edge.manners.outstanding = [command.commandId];
      let told = 0;
      const tell = (): void => {
        if (edge.sessions() === told || edge.reportsOf(command.commandId).length > 0) return;
        told = edge.sessions();
        void edge.deliver([command]);
      };
      return edge.until(
        `the end of ${command.commandId}`,
        () => {
          tell();
          return edge.reportsOf(command.commandId).at(-1);
        },
        STAGE_MS_MAX,
      );
    },
    /** It carries out a command: it serves, with all it needs. */
    answers: async (generation: number): Promise<void> => {
      const command = identityCommand({ generation });
      const outcome = await edge
        .until('a session', () => edge.isOpen(), STAGE_MS_MAX)
        .then(async () => {
          edge.manners.outstanding = [...edge.manners.outstanding, command.commandId];
          await edge.deliver([command]);
          return edge.reportOf(command.commandId, STAGE_MS_MAX);
        });
      if (!outcome.ok) throw new Error(outcome.error.detail);
    },
    /** Processes that run a program of the store of this folder. */
    running: (): number[] => running(join(folder.state, 'programs')),
    version: () => edge.hellos.at(-1)?.relayVersion,
    stored: (): Promise<string[]> => readdir(join(folder.state, 'programs')),
    close: async () => {
      await folder.remove();
      await edge.stop();
    },
  };
}

/** In this process: it is no part of what these tests are about. */
async function pairIn(stateDir: string, { origin, code }: FakeEdge): Promise<void> {
  const disk = await openDisk(stateDir);
  if (!disk.ok) throw new Error(disk.error.detail);
  const ask = { code, console: origin, hostname: 'host', relayVersion: '0.1.0', replace: false, now: Date.now() };
  const paired = await pair(ask, disk.value, createPostJson({ https: null, http: null, no: [] }, [], 'test'));
  if (!paired.ok) throw new Error(paired.error.message);
}

function running(store: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => commandLineOf(pid).includes(store))
    .map(Number);
}

/** Empty when it has ended meanwhile. */
function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return '';
    throw error;
  }
}

/** A new one for each test of the file. */
export function eachScene(): () => Scene {
  let scene: Scene | null = null;
  beforeEach(async () => {
    scene = await openScene();
  }, STAGE_MS_MAX);
  afterEach(() => scene?.close(), STAGE_MS_MAX);
  return () => {
    if (scene === null) throw new Error('no scene is open');
    return scene;
  };
}
