// Releases and programs of a simulated world: what the console publishes and gives out, and what each relay runs. A program is some
// bytes that say how it behaves; the relay in it is always the shipped one.
import { createHash } from 'node:crypto';
import { machinesReleaseOf } from '../../functions/objects/gateway-creation.ts';
import type { PublishedRelease } from '../../functions/store/releases.ts';
import type { FetchProgram } from '../../relay/adapters/fetch-program.ts';
import type { StoredProgram } from '../../relay/program/program-book.ts';
import { MachinesRelease, programPath, type ReleaseManifest, type SignedRelease } from '../../shared/release.ts';
import { err, ok } from '../../shared/result.ts';
import { ORIGIN } from './edge.ts';
import { ProgramLives } from './program-lives.ts';
import type { RelayNode } from './relay-node.ts';
import type { RelayProcess } from './relay-process.ts';
import type { Site } from './site.ts';
import { standInSign } from './stand-in-crypto.ts';
import { CONDUCTS, type Conduct, type UpgradePlan } from './upgrade-scenario.ts';
import { SIMULATED_PROFILE } from './world.ts';

export const RELEASE_KEY = 'r'.repeat(43);
const STRANGERS_KEY = 's'.repeat(43);
const SIGNATURE_LENGTH = 86;
export const INSTALLED_VERSION = '1.0.0';
const NEW_VERSION = '1.1.0';
const OLDER_VERSION = '0.9.0';
/** Of the same length: what a stranger made is told by its digest. */
const [MAKER, STRANGER] = ['slipway', 'another'];

export type Program = StoredProgram & { readonly conduct: Conduct; readonly bytes: Uint8Array };

/** A stream that broke off. */
export class CutOff extends Error {}

export const signRelease = (key: string, manifest: string): string =>
  standInSign(key, manifest).padEnd(SIGNATURE_LENGTH, '_');

export class SiteReleases {
  readonly #site: Site;
  readonly installed = programOf(INSTALLED_VERSION, 'sound');
  /** Null: nobody has published anything. */
  published: { readonly program: Program; readonly manifest: ReleaseManifest; readonly release: SignedRelease } | null =
    null;
  /** What the console sends when it is asked for the program. */
  #given: Program | null = null;
  readonly #running = new WeakMap<RelayNode, Program>();
  readonly lives: ProgramLives;
  /** Digests of what no relay may ever run. */
  readonly #forbidden = new Set<string>();

  constructor(site: Site) {
    this.#site = site;
    this.lives = new ProgramLives(site);
  }

  publish({ publishing, conduct, machines }: UpgradePlan): PublishedRelease {
    const program = programOf(publishing === 'older' ? OLDER_VERSION : NEW_VERSION, conduct);
    const { version, platform, sha256, sizeBytes } = program;
    const now = machinesReleaseOf(SIMULATED_PROFILE);
    const manifest: ReleaseManifest = {
      ...{ v: 1, version, severity: 'low', changes: ['A simulated change.'] },
      programs: [{ platform, sha256, sizeBytes }],
      machines: machines === null ? null : MachinesRelease.parse({ ...now, ...machines }),
    };
    const text = JSON.stringify(manifest);
    const key = publishing === 'forged' ? STRANGERS_KEY : RELEASE_KEY;
    const release = { manifest: text, signature: signRelease(key, text) };
    this.published = { program, manifest, release };
    this.#given = publishing === 'tampered' ? programOf(version, 'sound', STRANGER) : program;
    if (publishing !== 'signed') this.#forbidden.add(this.#given.sha256);
    return { release, publishedAt: this.#site.timeline.now };
  }

  /** By the digest that a bootstrap document names. */
  programWith(sha256: string): Program | null {
    return [this.installed, this.published?.program, this.#given].find((one) => one?.sha256 === sha256) ?? null;
  }

  /** What its bytes are; null when they are no program. */
  read(bytes: Uint8Array): Program | null {
    return this.programWith(createHash('sha256').update(bytes).digest('hex'));
  }

  /** What the node's process is, as machines are offered it and as it calls itself. */
  runningOn(node: RelayNode): Program {
    return this.#running.get(node) ?? this.installed;
  }

  runs(node: RelayNode, program: Program): void {
    this.#running.set(node, program);
  }

  starts(node: RelayNode, { version, sha256 }: Program): void {
    if (this.#forbidden.has(sha256)) this.#site.violate('U1', `${node.name} starts ${version}, which nobody may run`);
  }

  /** The console's route of programs. */
  fetchFor(process: RelayProcess, isCutOff: () => boolean): FetchProgram {
    const { network, faults } = this.#site;
    const sleep = (ms: number) => new Promise<void>((resolve) => void process.hear(ms, resolve));
    const chunks = (bytes: Uint8Array) => this.#send(bytes, sleep);
    return async (url, _signal, use) => {
      await sleep(network.between(5, 60));
      if (isCutOff() || faults.strikes('dial-fails'))
        return err({ code: 'unreachable', detail: 'no route (simulated)' });
      const given = this.#given;
      if (given === null || url !== `${ORIGIN}${programPath(given.version, given.platform)}`)
        return err({ code: 'refused', detail: 'the console answered with status 404' });
      return ok(await use(chunks(given.bytes)));
    };
  }

  async *#send(bytes: Uint8Array, sleep: (ms: number) => Promise<void>): AsyncGenerator<Uint8Array> {
    const { network, faults } = this.#site;
    const half = bytes.byteLength >> 1;
    yield bytes.subarray(0, half);
    await sleep(network.between(100, 3_000));
    if (faults.strikes('socket-cut')) throw new CutOff('the connection was cut (simulated)');
    yield bytes.subarray(half);
  }
}

function programOf(version: string, conduct: Conduct, maker = MAKER): Program {
  const bytes = Buffer.from(`slipway-relay ${version} ${CONDUCTS.indexOf(conduct)} of ${maker}`);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { version, platform: 'linux-x64', sha256, sizeBytes: bytes.byteLength, conduct, bytes };
}
