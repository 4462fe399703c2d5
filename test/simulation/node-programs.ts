// The programs of one simulated machine of a gateway: the installed one, its store, and the processes that run them, as
// relay/run.ts and its adapters put them together. What they do is the shipped code: relay/serve-in-turns.ts, relay/program/.
import type { ProgramStore } from '../../relay/adapters/program-store.ts';
import type { Former, FormerMessage, Successor, SuccessorMessage } from '../../relay/program/former-talk.ts';
import type { StoredProgram } from '../../relay/program/program-book.ts';
import type { ProgramHost } from '../../relay/program/program-host.ts';
import { prove } from '../../relay/program/prove.ts';
import { takeVerified } from '../../relay/program/take-verified.ts';
import type { UpgradeWaits } from '../../relay/program/upgrade-waits.ts';
import { serveInTurns } from '../../relay/serve-in-turns.ts';
import { openRelayState } from '../../relay/state-folder.ts';
import { err, ok } from '../../shared/result.ts';
import { servedBy } from './machine-relays.ts';
import type { RelayNode } from './relay-node.ts';
import type { RelayProcess } from './relay-process.ts';
import { judgeDamage, type RelaySurroundings, serveRelay } from './serve-relay.ts';
import { CutOff, type Program, type SiteReleases, signRelease } from './site-releases.ts';
import type { Conduct } from './upgrade-scenario.ts';

/** Shorter than production's, in the same order. */
export const SIMULATED_UPGRADE_WAITS: UpgradeWaits = { heartbeatMs: 40_000, trialMs: 30_000, startedMs: 20_000 };
const FOLDER = 'programs/';
const FALTERS_MS = 500;
const STANDS_STILL: ReadonlySet<Conduct> = new Set(['never-dials', 'stands-still']);

export type NodeProgramsParts = {
  readonly releases: SiteReleases;
  readonly surroundings: RelaySurroundings;
  readonly isCutOff: (name: string) => boolean;
  readonly installed: Program;
};

export class NodePrograms {
  readonly #parts: NodeProgramsParts;
  readonly node: RelayNode;
  /** What the next start of the process is, once; null: the installed one. */
  #next: Program | null = null;
  #lockedBy: RelayProcess | null = null;
  #turns = 0;

  constructor(node: RelayNode, parts: NodeProgramsParts) {
    this.node = node;
    this.#parts = parts;
  }

  /** What lies in the store. */
  versions(): string[] {
    return [...this.node.disk.files.keys()]
      .filter((name) => name.startsWith(FOLDER))
      .map((name) => name.slice(FOLDER.length));
  }

  /** `run`: what the service manager starts, or what the process has turned into. */
  async run(process: RelayProcess): Promise<void> {
    const program = this.#next ?? this.#parts.installed;
    const isStored = this.#next !== null;
    this.#next = null;
    this.#parts.releases.starts(this.node, program);
    // None of them is ever to run by itself, and what they would do then is what they did in their trial.
    if (STANDS_STILL.has(program.conduct)) return;
    if (program.conduct !== 'sound') return this.#falters(process);
    await this.#serve(process, program, isStored, null, NEVER_ASKED);
  }

  /** `run --trial`. */
  async #try(process: RelayProcess, program: Program, former: Former, asked: Asked): Promise<void> {
    const { surroundings } = this.#parts;
    const { node } = this;
    this.#parts.releases.starts(node, program);
    if (program.conduct === 'ends-in-trial') return this.#falters(process);
    if (program.conduct === 'never-dials') return;
    const proved = await prove({
      ...{ former, disk: node.diskFor(process), dial: surroundings.dialFor(node, process), ports: process.ports() },
      ...{ log: process.log(), bootId: process.bootId, version: program.version, craft: surroundings.craft },
    });
    if (!proved.ok) return process.lose(`with ${proved.error.detail}`);
    if (program.conduct === 'ends-when-serving') return this.#falters(process);
    if (program.conduct === 'stands-still') return;
    await this.#serve(process, program, true, former, asked);
  }

  async #serve(
    process: RelayProcess,
    program: Program,
    isStored: boolean,
    former: Former | null,
    asked: Asked,
  ): Promise<void> {
    const { node } = this;
    const end = await serveInTurns({
      ...{ host: this.#hostFor(process, program, isStored), former, disk: node.diskFor(process), asked },
      ...{ ports: process.ports(), waits: SIMULATED_UPGRADE_WAITS, log: process.log() },
    });
    if (end.kind === 'exit' || process !== node.process) return process.lose(`with its end, ${end.kind}`);
    this.#next = end.kind === 'anew' ? program : this.#programIn(end.program);
    if (this.#next === program && !isStored) this.#next = null;
    node.turnInto();
  }

  #falters(process: RelayProcess): void {
    process.hear(FALTERS_MS, () => process.lose('by itself: it is no good'));
  }

  #hostFor(process: RelayProcess, program: Program, isStored: boolean): ProgramHost {
    const { releases, surroundings, isCutOff } = this.#parts;
    const { node } = this;
    const { version, platform } = program;
    return {
      ...{ version, platform, isStored: () => isStored, releaseKey: null, folder: '/state' },
      store: this.#storeFor(process),
      lock: () => this.#lock(process),
      open: async (disk) => {
        const state = await openRelayState(disk, process.ports(), process.log(), node.wasDamaged, surroundings.craft);
        if (!state.ok) judgeDamage(node, state.error);
        return state;
      },
      serve: async ({ state, hooks, exchange }) => {
        releases.runs(node, program);
        this.#turns += 1;
        const opened = { ...state, vault: state.keyring.vault };
        const more = { hooks: hooks ?? {}, exchange, bootId: `${process.bootId}-${this.#turns}` };
        return ok(await serveRelay({ ...servedBy(surroundings, node, process, opened), ...more }));
      },
      fetchProgram: releases.fetchFor(process, () => isCutOff(node.name)),
      start: (stored) => this.#startSuccessor(process, stored),
      verify: async (key, text, signature) => signRelease(key, text) === signature,
    };
  }

  #lock(process: RelayProcess): (() => void) | null {
    if (this.#lockedBy !== null && !this.#lockedBy.isGone) return null;
    this.#lockedBy = process;
    return () => {
      if (this.#lockedBy === process) this.#lockedBy = null;
    };
  }

  #storeFor(process: RelayProcess): ProgramStore {
    const { node } = this;
    const disk = node.diskFor(process);
    const fileOf = ({ version }: StoredProgram): string => `${FOLDER}${version}`;
    return {
      folder: FOLDER,
      fileOf,
      canStart: async () => ok(null),
      isIntact: async (program) => {
        const bytes = await disk.read(fileOf(program));
        if (!bytes.ok || bytes.value === null) return false;
        return this.#parts.releases.read(bytes.value)?.sha256 === program.sha256;
      },
      put: async (program, bytes) => {
        const whole: Uint8Array[] = [];
        try {
          const taken = await takeVerified(program, bytes, async (chunk) => void whole.push(chunk));
          if (!taken.ok) return taken;
        } catch (error) {
          if (error instanceof CutOff) return err({ code: 'cut', detail: error.message });
          throw error;
        }
        return disk.replace(fileOf(program), Buffer.concat(whole));
      },
      keepOnly: async (versions) => {
        for (const version of this.versions())
          if (!versions.includes(version)) node.disk.files.delete(`${FOLDER}${version}`);
        return ok(null);
      },
    };
  }

  #programIn(program: StoredProgram): Program | null {
    const bytes = this.node.disk.files.get(`${FOLDER}${program.version}`);
    return bytes === undefined ? null : this.#parts.releases.read(bytes);
  }

  /** As relay/adapters/start-successor.ts and former-channel.ts: two processes, and a channel in order. */
  #startSuccessor(former: RelayProcess, stored: StoredProgram): Successor {
    const program = this.#programIn(stored);
    const early: SuccessorMessage[] = [];
    let toFormer = (message: SuccessorMessage): void => void early.push(message);
    let toSuccessor = (_message: FormerMessage): void => {};
    let ends = (_how: string): void => {};
    const ended = new Promise<string>((resolve) => {
      ends = resolve;
    });
    const [asked, ask] = askable();
    const works = async (process: RelayProcess): Promise<void> => {
      if (program === null) return process.lose('since it is no program');
      const channel: Former = {
        hear: (listener) => {
          toSuccessor = listener;
        },
        say: (message) => void former.hear(1, () => toFormer(message)),
      };
      await this.#try(process, program, channel, asked);
    };
    const successor = this.node.startBeside(works, (how) => void former.hear(1, () => ends(how)));
    return {
      hear: (listener) => {
        toFormer = listener;
        for (const message of early.splice(0)) listener(message);
      },
      say: (message) => void successor.hear(1, () => toSuccessor(message)),
      ended,
      signal: (name) => {
        if (name === 'SIGKILL') successor.lose('by SIGKILL');
        else successor.hear(1, ask);
      },
    };
  }
}

type Asked = { readonly signal: Promise<string>; readonly isAsked: () => boolean };

const NEVER_ASKED: Asked = { signal: new Promise(() => {}), isAsked: () => false };

function askable(): [Asked, () => void] {
  let isAsked = false;
  let ask = (): void => {};
  const signal = new Promise<string>((resolve) => {
    ask = () => {
      isAsked = true;
      resolve('SIGTERM');
    };
  });
  return [{ signal, isAsked: () => isAsked }, () => ask()];
}
