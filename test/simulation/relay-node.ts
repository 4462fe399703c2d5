// One host of a relay: a disk, and the process on it, started again some seconds after each loss as systemd does, or as a person
// does who ran an installer.
import type { Endpoint } from '../../relay/enrolment/endpoint.ts';
import type { Journal } from '../../relay/journal.ts';
import { JOURNAL_FILE } from '../../relay/journal.ts';
import type { LogFields } from '../../relay/log.ts';
import type { Disk } from '../../relay/ports.ts';
import type { Standing } from '../../relay/tunnel/node-status.ts';
import { drainMicrotasks } from './microtasks.ts';
import { RelayDisk } from './relay-disk.ts';
import { RelayProcess } from './relay-process.ts';
import type { Site } from './site.ts';
import type { MachineCall, MachineReply } from './site-machines.ts';

export type NodeWatch = {
  readonly onLog: (node: RelayNode, process: RelayProcess, event: string, fields: LogFields) => void;
  /** The journal was read after a start. */
  readonly onJournal: (node: RelayNode, generationOf: Journal['generationOf']) => void;
};

export type NodeParts = {
  readonly site: Site;
  readonly seed: number;
  readonly name: string;
  /** As machines reach it. */
  readonly host: string;
  /** What its process does, for as long as it lives. */
  readonly program: (node: RelayNode, process: RelayProcess) => Promise<void>;
  readonly watch: NodeWatch;
};

export class RelayNode {
  readonly name: string;
  readonly host: string;
  readonly parts: NodeParts;
  readonly disk: RelayDisk;
  process: RelayProcess | null = null;
  /** Of two processes the one that machines reach; null: the only one. */
  server: RelayProcess | null = null;
  /** While machines can enrol here. */
  endpoint: Endpoint | null = null;
  /** What the edge last said of it; null before it serves. */
  standing: (() => Standing) | null = null;
  #boots = 0;
  /** Its journal was damaged by more than a torn tail: what it knew may be lost. */
  wasDamaged = false;
  /** Not started again until then. */
  downUntil = 0;
  /** Switched off: not started before it is on again. */
  isOff = false;
  /** Gone for good. */
  isRetired = false;
  onLost: (told: boolean) => void = () => {};

  constructor(parts: NodeParts) {
    this.parts = parts;
    this.name = parts.name;
    this.host = parts.host;
    this.disk = new RelayDisk(parts.site);
  }

  start(): void {
    const { site, seed } = this.parts;
    if (this.process !== null || this.isOff || this.isRetired) return;
    this.#boots += 1;
    const process = new RelayProcess(site, seed, this.name, this.#boots);
    this.process = process;
    process.onLog = (event, fields) => this.parts.watch.onLog(this, process, event, fields);
    process.onGone = () => {
      for (const beside of process.beside) beside.lose('with the process that started it');
      this.disk.powerCut();
      this.process = null;
      this.#serves(null);
      this.onLost(site.network.chance(0.8));
      site.timeline.after(Math.max(site.network.between(2_000, 15_000), this.downUntil - site.timeline.now), () =>
        this.start(),
      );
    };
    site.trace.say(this.name, `starts (${process.bootId})`);
    this.parts
      .program(this, process)
      .catch((error: unknown) => site.violate('relay', `${this.name} broke: ${String(error)}`));
    drainMicrotasks();
  }

  /** A second process on this host, which is lost with the first. @param gone hears how it was lost */
  startBeside(program: (process: RelayProcess) => Promise<void>, gone: (why: string) => void): RelayProcess {
    const { site, seed, watch } = this.parts;
    const first = this.process;
    if (first === null) throw new Error('nothing runs here that could start another process');
    this.#boots += 1;
    const process = new RelayProcess(site, seed, this.name, this.#boots);
    first.beside.add(process);
    process.onLog = (event, fields) => watch.onLog(this, process, event, fields);
    process.onGone = (why) => {
      first.beside.delete(process);
      this.disk.powerCut();
      if (this.server === process) this.#serves(null);
      this.onLost(true);
      gone(why);
    };
    site.trace.say(this.name, `starts another beside it (${process.bootId})`);
    program(process).catch((error: unknown) => site.violate('relay', `${this.name} broke: ${String(error)}`));
    return process;
  }

  /** As by execve: in place of its process there is a new one, without anything that the former had opened. */
  turnInto(): void {
    const { process } = this;
    if (process === null || process.isGone) return;
    process.isGone = true;
    this.process = null;
    this.#serves(null);
    this.onLost(true);
    this.start();
  }

  #serves(server: RelayProcess | null): void {
    this.server = server;
    this.endpoint = null;
    this.standing = null;
  }

  /** With what it stands on. @param forGood its disk is gone too */
  switchOff(forGood: boolean): void {
    this.isOff = true;
    this.isRetired ||= forGood;
    this.process?.lose('with its host');
  }

  switchOn(): void {
    this.isOff = false;
    this.start();
  }

  /** A machine asks this node; null when nobody listens. */
  ask(call: MachineCall, answer: (reply: MachineReply | null) => void): void {
    const { endpoint } = this;
    const process = this.server ?? this.process;
    if (process === null || endpoint === null) return answer(null);
    process.hear(0, () => {
      const signal = new AbortController().signal;
      void endpoint({ ...call, wantsJson: true, signal }).then((said) => {
        process.point(`enrolment ${call.path} answered`);
        if (!process.isGone)
          answer({ status: said.status, body: said.body ?? '', program: said.program?.sha256 ?? null });
      });
    });
  }

  diskFor(process: RelayProcess): Disk {
    return this.disk.openFor({
      hear: (delayMs, work) => void process.hear(delayMs, work),
      point: (label) => process.point(label),
      isGone: () => process.isGone,
    });
  }

  flipJournal(): boolean {
    return this.disk.flip(JOURNAL_FILE);
  }
}
