// The machines: they boot when MAAS presses the button and do what their user-data tells a real one (relay/bootstrap/enrol-script.ts),
// with the lab's kubeadm stand-in. They can boot late, boot again in the middle, and die.
import { ENROLMENT_PATHS, FilledDocument, PROGRAM_DIGEST_HEADER } from '../../shared/enrolment.ts';
import { userDataFetched } from '../lab/maas/boot.ts';
import type { BootOrder, PowerPort, Region } from '../lab/maas/region.ts';
import { runKubeadm } from '../lab/machines/kubeadm.ts';
import { type Enrolment, readUserData } from '../lab/machines/user-data.ts';
import {
  type BootstrapReport,
  bootstrapDisk,
  type MachineDisk,
  placePki,
  resetKubeadm,
  runBootstrap,
} from './machine-bootstrap.ts';
import { type MachineRelayPort, NO_MACHINE_RELAYS } from './machine-relays.ts';
import { drainMicrotasks } from './microtasks.ts';
import type { Site } from './site.ts';
import type { SiteKubernetes } from './site-kubernetes.ts';

export type MachineCall = {
  readonly method: string;
  readonly path: string;
  readonly source: string;
  readonly token: string;
  readonly body: unknown;
};
/** `program`: the digest of the program that comes with it. */
export type MachineReply = { readonly status: number; readonly body: string; readonly program: string | null };
/** Null: nobody answers there. */
export type AskRelay = (host: string, call: MachineCall, answer: (reply: MachineReply | null) => void) => void;

type Life = { readonly order: BootOrder; readonly disk: MachineDisk; on: boolean; readonly born: number };

const CALL_MS_MAX = 30_000;
const INSTALLS_RELAY = /^"\$program" install --node /m;

export class SiteMachines {
  readonly #site: Site;
  readonly #kubernetes: SiteKubernetes;
  readonly #askRelay: AskRelay;
  region: Region | null = null;
  relays: MachineRelayPort = NO_MACHINE_RELAYS;
  /** Whether kubeadm may fail on it, by chance. */
  mayFail: (systemId: string) => boolean = () => true;
  readonly lives = new Map<string, Life>();
  /** By a person, since they were last switched off: their BMC may not have obeyed. */
  readonly markedBroken = new Set<string>();
  /** Power-off calls that the BMC still refuses. */
  bmcRefusals = 0;

  constructor(site: Site, kubernetes: SiteKubernetes, askRelay: AskRelay) {
    this.#site = site;
    this.#kubernetes = kubernetes;
    this.#askRelay = askRelay;
  }

  readonly power: PowerPort = {
    on: (order, done) => {
      this.#site.timeline.after(100, () => {
        this.#end(order.systemId);
        this.#start({ order, disk: bootstrapDisk(), on: true, born: this.#site.timeline.now });
        done({ ok: true });
      });
    },
    off: (systemId, done) => {
      this.#site.timeline.after(200, () => {
        if (this.bmcRefusals > 0) {
          this.bmcRefusals -= 1;
          this.#site.faults.count('bmc-refuses');
          done({ ok: false, detail: 'the BMC does not obey (simulated)' });
        } else {
          this.#end(systemId);
          done({ ok: true });
        }
        drainMicrotasks();
      });
    },
  };

  /** It dies, and MAAS does not notice. */
  die(systemId: string): void {
    this.#site.trace.say(systemId, 'dies');
    this.#end(systemId);
  }

  /** In the middle of whatever it does; its disk stays, and with it what kubeadm made of it. */
  reboot(systemId: string): void {
    const life = this.lives.get(systemId);
    if (life === undefined) return;
    this.#site.trace.say(systemId, 'reboots');
    life.on = false;
    this.relays.off(systemId, false);
    this.#kubernetes.rest(systemId);
    this.#start({ ...life, on: true, born: this.#site.timeline.now });
  }

  #start(life: Life): void {
    const { systemId } = life.order;
    this.#site.trace.say(systemId, 'is switched on');
    this.lives.set(systemId, life);
    this.#live(life).catch((error: unknown) => {
      if (error !== SWITCHED_OFF) this.#site.violate('machine', `${systemId}: ${String(error)}`);
    });
    drainMicrotasks();
  }

  #end(systemId: string): void {
    const life = this.lives.get(systemId);
    this.lives.delete(systemId);
    this.markedBroken.delete(systemId);
    if (life !== undefined) life.on = false;
    this.relays.off(systemId, true);
    this.#kubernetes.powerOff(systemId);
  }

  async #live(life: Life): Promise<void> {
    const { order, disk } = life;
    await this.#sleep(life, order.timings.powerOnMs);
    // The kubelet's unit starts what kubeadm had made, whether or not the bootstrap is through.
    this.#kubernetes.powerOn(order.systemId);
    this.relays.booted(order.systemId);
    if (disk.finished) return;
    const machine = this.region?.machines.get(order.systemId);
    if (machine !== undefined && this.region !== null) userDataFetched(this.region, machine);
    const enrolment = readUserData(order.userData);
    if (!enrolment.ok) return this.#site.violate('machine', `${order.systemId}: ${enrolment.error}`);
    if (disk.document === null) disk.document = await this.#fetch(life, enrolment.value);
    if (disk.document === null) return;
    if (!disk.acknowledged) await this.#acknowledge(life, enrolment.value);
    await runBootstrap(disk, disk.document, {
      timeline: this.#site.timeline,
      sleep: (ms) => this.#sleep(life, ms),
      backOffMs: (pauseMs) => this.#site.network.between(1_000, pauseMs),
      step: (script) => this.#step(life, enrolment.value, script),
      reset: () => resetKubeadm(disk, { systemId: order.systemId, disk: disk.files }, this.#kubernetes.hub),
      tell: (report) => this.#tell(life, enrolment.value, report),
    });
  }

  #who(enrolment: Enrolment) {
    return { claim: enrolment.claim, systemId: enrolment.systemId };
  }

  /** Each relay in turn: who has the machine's turn is not known to it. */
  async #fetch(life: Life, enrolment: Enrolment): Promise<FilledDocument | null> {
    const until = this.#enrolUntil(life);
    for (let pause = 1_000; this.#site.timeline.now < until; pause = Math.min(15_000, pause * 2)) {
      for (const { host } of enrolment.relays) {
        const hello = { ...this.#who(enrolment), interfaces: [{ name: 'eth0', address: life.order.address }] };
        const greeted = await this.#ask(life, enrolment, host, 'POST', ENROLMENT_PATHS.enrol, hello);
        if (greeted?.status === 410) return null;
        if (greeted === null || greeted.status >= 300) continue;
        const turn = await this.#ask(life, enrolment, host, 'GET', ENROLMENT_PATHS.bootstrap, null);
        if (turn?.status === 410) return null;
        if (turn?.status === 204) pause = 500;
        if (turn?.status !== 200) continue;
        life.disk.servedBy = host;
        return FilledDocument.parse(JSON.parse(turn.body));
      }
      await this.#sleep(life, pause + this.#site.network.below(1_000));
    }
    return null;
  }

  /** Three rounds; when nobody hears it, the first report says as much. */
  async #acknowledge(life: Life, enrolment: Enrolment): Promise<void> {
    const hosts = [
      ...(life.disk.servedBy === null ? [] : [life.disk.servedBy]),
      ...enrolment.relays.map(({ host }) => host),
    ];
    for (let tries = 1; tries <= 3; tries += 1) {
      for (const host of hosts) {
        const reply = await this.#ask(life, enrolment, host, 'POST', ENROLMENT_PATHS.acknowledge, this.#who(enrolment));
        life.disk.acknowledged = reply !== null && (reply.status < 300 || reply.status === 410);
        if (life.disk.acknowledged) return;
      }
      await this.#sleep(life, 1_000 * tries);
    }
  }

  /** A machine that never hears of its end asks for a day at most. */
  #enrolUntil(life: Life): number {
    return life.born + 24 * 3_600_000;
  }

  async #step(life: Life, enrolment: Enrolment, script: string): Promise<{ exitCode: number; output: string }> {
    const { timings, systemId } = life.order;
    if (INSTALLS_RELAY.test(script)) return this.#installRelay(life, enrolment, script);
    const command = /^[^#\n]*\bkubeadm\s+(init|join)\b([^\n;&|]*)/m.exec(script);
    if (command === null) {
      await this.#sleep(life, 300);
      return { exitCode: this.#reaches(script) ? 0 : 1, output: 'simulated' };
    }
    const [, verb = '', rest = ''] = command;
    const disk = life.disk.files;
    placePki(life.disk);
    await this.#sleep(life, verb === 'init' ? timings.kubeadmInitMs : timings.kubeadmJoinMs);
    if (this.mayFail(systemId) && this.#site.faults.strikes('kubeadm-fails'))
      return { exitCode: 1, output: 'simulated failure midway' };
    const done = await runKubeadm([verb, ...rest.trim().split(/\s+/)], { systemId, disk }, this.#kubernetes.hub);
    this.#site.trace.say(
      systemId,
      `kubeadm ${verb} ${done.exitCode} ${done.exitCode === 0 ? '' : done.output.slice(0, 200)}`,
    );
    return done;
  }

  /** The program from the relay that served the document, and what it does here (functions/plan/relay-step.ts). */
  async #installRelay(life: Life, enrolment: Enrolment, script: string) {
    const { systemId, address } = life.order;
    const [, host = ''] = /^origin='https:\/\/([^:']+):\d+'$/m.exec(script) ?? [];
    const program = await this.#ask(life, enrolment, host, 'GET', ENROLMENT_PATHS.program, null);
    if (program?.status !== 200) return { exitCode: 1, output: `the program is not to be had from ${host}` };
    const hostname = this.region?.machines.get(systemId)?.hostname ?? systemId;
    const [, named = ''] = /^digest='([0-9a-f]{64})'$/m.exec(script) ?? [];
    const announced = script.includes(`${PROGRAM_DIGEST_HEADER}:`) ? program.program : null;
    const done = await this.relays.install({
      ...{ origin: host, digest: announced ?? named },
      ...{ systemId, hostname, address, files: life.disk.files },
      isOn: () => life.on,
      reboot: () => this.reboot(systemId),
    });
    this.#site.trace.say(systemId, `install --node ${done.exitCode} ${done.output}`);
    return done;
  }

  /** `reach-endpoint` waits for the virtual address; every other step of shell just works. */
  #reaches(script: string): boolean {
    const endpoint = /<\/dev\/tcp\/([\d.]+)\/(\d+)/.exec(script);
    return endpoint === null || this.#kubernetes.clusters.has(`${endpoint[1]}:${endpoint[2]}`);
  }

  /** Whether a relay took it, or will never take it. */
  async #tell(life: Life, enrolment: Enrolment, report: BootstrapReport): Promise<boolean> {
    const body = { ...this.#who(enrolment), ...report };
    for (const { host } of enrolment.relays) {
      const reply = await this.#ask(life, enrolment, host, 'POST', ENROLMENT_PATHS.report, body);
      if (reply !== null && reply.status !== 429 && reply.status < 500) return true;
    }
    return false;
  }

  #ask(
    life: Life,
    enrolment: Enrolment,
    host: string,
    method: string,
    path: string,
    body: unknown,
  ): Promise<MachineReply | null> {
    const token = enrolment.authorization.replace(/^Bearer /, '');
    return this.#call(life, host, { method, path, source: life.order.address, token, body });
  }

  #call(life: Life, host: string, call: MachineCall): Promise<MachineReply | null> {
    const { faults, network, timeline } = this.#site;
    return new Promise((resolve, reject) => {
      const hear = (delayMs: number, settle: () => void): void => {
        timeline.after(delayMs, () => {
          if (life.on) settle();
          else reject(SWITCHED_OFF);
          drainMicrotasks();
        });
      };
      if (faults.strikes('machine-request-lost')) return hear(network.between(100, 5_000), () => resolve(null));
      hear(CALL_MS_MAX, () => resolve(null));
      timeline.after(network.between(1, 10), () => {
        this.#askRelay(host, call, (reply) => {
          const lost = faults.strikes('machine-answer-lost');
          hear(network.between(1, 10), () => resolve(lost ? null : reply));
        });
      });
    });
  }

  #sleep(life: Life, ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#site.timeline.after(ms, () => {
        if (life.on) resolve();
        else reject(SWITCHED_OFF);
        drainMicrotasks();
      });
    });
  }
}

/** Ends whatever a machine was doing. */
const SWITCHED_OFF = new Error('switched off');
