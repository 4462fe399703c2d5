// One node of the gateway: a disk, an identity, and the relay's process on it, started again some seconds after each loss as
// systemd does.
import { createHandlers } from '../../relay/commands/handlers.ts';
import { createEndpoint, type Endpoint } from '../../relay/enrolment/endpoint.ts';
import { openLedger } from '../../relay/enrolment/ledger.ts';
import { createTurns } from '../../relay/enrolment/turns.ts';
import type { Identity } from '../../relay/identity.ts';
import { JOURNAL_FILE, type Journal, openJournal } from '../../relay/journal.ts';
import type { LogFields } from '../../relay/log.ts';
import type { Disk } from '../../relay/ports.ts';
import { createRelay } from '../../relay/relay.ts';
import type { Dial } from '../../relay/tunnel/dial.ts';
import { createNodeStatus } from '../../relay/tunnel/node-status.ts';
import type { MaasWire } from './maas-wire.ts';
import { drainMicrotasks } from './microtasks.ts';
import { SEALING_KEY } from './pair-node.ts';
import { RelayDisk } from './relay-disk.ts';
import { RelayProcess } from './relay-process.ts';
import type { Site } from './site.ts';
import type { SiteKubernetes } from './site-kubernetes.ts';
import type { MachineCall, MachineReply } from './site-machines.ts';
import { type StandInSafe, standInSign, standInVerify } from './stand-in-crypto.ts';

export type NodeParts = {
  readonly site: Site;
  readonly seed: number;
  readonly name: string;
  readonly identity: Identity;
  readonly identityKey: string;
  readonly safe: StandInSafe;
  readonly wire: MaasWire;
  readonly kubernetes: SiteKubernetes;
  /** Every relay of the gateway, as machines reach them. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  /** Opens a link to the edge for this process. */
  readonly dialFor: (node: RelayNode, process: RelayProcess) => Dial;
  readonly onLog: (node: RelayNode, process: RelayProcess, event: string, fields: LogFields) => void;
  /** The journal was read after a start. */
  readonly onJournal: (node: RelayNode, generationOf: Journal['generationOf']) => void;
};

const ENROLMENT_KEY = new Uint8Array(32).fill(7);
const ENROLMENT_HOLD_MS = 20_000;

export class RelayNode {
  readonly name: string;
  readonly parts: NodeParts;
  readonly disk: RelayDisk;
  process: RelayProcess | null = null;
  #boots = 0;
  #endpoint: Endpoint | null = null;
  /** Its journal was damaged by more than a torn tail: what it knew may be lost. */
  wasDamaged = false;
  /** Not started again until then. */
  downUntil = 0;
  onLost: (told: boolean) => void = () => {};

  constructor(parts: NodeParts) {
    this.parts = parts;
    this.name = parts.name;
    this.disk = new RelayDisk(parts.site);
  }

  start(): void {
    const { site, seed } = this.parts;
    if (this.process !== null) return;
    this.#boots += 1;
    const process = new RelayProcess(site, seed, this.name, this.#boots);
    this.process = process;
    process.onLog = (event, fields) => this.parts.onLog(this, process, event, fields);
    process.onGone = () => {
      this.disk.powerCut();
      this.process = null;
      this.#endpoint = null;
      this.onLost(site.network.chance(0.8));
      site.timeline.after(Math.max(site.network.between(2_000, 15_000), this.downUntil - site.timeline.now), () =>
        this.start(),
      );
    };
    site.trace.say(this.name, `starts (${process.bootId})`);
    this.#boot(process).catch((error: unknown) => site.violate('relay', `${this.name} broke: ${String(error)}`));
    drainMicrotasks();
  }

  /** A machine asks this node; null when nobody listens. */
  ask(call: MachineCall, answer: (reply: MachineReply | null) => void): void {
    const { process } = this;
    const endpoint = this.#endpoint;
    if (process === null || endpoint === null) return answer(null);
    process.hear(0, () => {
      const signal = new AbortController().signal;
      void endpoint({ ...call, wantsJson: true, signal }).then((said) => {
        process.point(`enrolment ${call.path} answered`);
        if (!process.isGone) answer({ status: said.status, body: said.body ?? '' });
      });
    });
  }

  async #boot(process: RelayProcess): Promise<void> {
    const { site, identity } = this.parts;
    const ports = process.ports();
    const log = process.log();
    const disk = this.disk.openFor({
      hear: (delayMs, work) => void process.hear(delayMs, work),
      point: (label) => process.point(label),
      isGone: () => process.isGone,
    });
    const journal = await this.#openJournal(disk, process);
    if (journal === null) return process.lose('its journal can not be read');
    this.parts.onJournal(this, journal.generationOf);
    const turns = createTurns(ports.timers);
    const ledger = await openLedger(disk, ports.clock, log);
    const ownAddress = `${this.name}:8443`;
    const nodeStatus = createNodeStatus(() => ({ sealingKey: SEALING_KEY, addresses: [ownAddress] }), ports.clock, log);
    const relay = createRelay({
      identity,
      vault: {
        sign: async (text) => standInSign(this.parts.identityKey, text),
        open: async (sealed, owner) => this.parts.safe.open(sealed, owner),
        seal: async (plain, owner, about) => this.parts.safe.seal(plain, owner, about),
      },
      verify: async (payload, signature) => standInVerify(identity.commandKey, payload, signature),
      journal,
      handlers: createHandlers({
        ports,
        log,
        dial: this.parts.kubernetes.dialFor(process),
        turns,
        ledger,
        enrolmentKey: ENROLMENT_KEY,
        site: () => ({
          ...{ authorityPem: 'stand-in authority\n', serverName: 'enrolment.slipway.internal' },
          addresses: this.parts.addresses,
        }),
        makeIdentity: async (clusterName) => this.parts.safe.makeIdentity(clusterName),
        period: nodeStatus.period,
        diagnose: async () => [],
      }),
      transportFor: () => process.transport(this.parts.wire.send),
      maasEndpoints: null,
      dial: this.parts.dialFor(this, process),
      ports,
      log,
      bootId: process.bootId,
      relayVersion: '0.0.0-simulated',
      nodeStatus,
    });
    const endpointLog = process.log();
    this.#endpoint = createEndpoint({
      key: ENROLMENT_KEY,
      ledger,
      turns,
      ports,
      log: endpointLog,
      emit: relay.emit,
      addressesOf: () => null,
      holdMs: () => (nodeStatus.standing().leader ? ENROLMENT_HOLD_MS : 0),
    });
    site.trace.say(this.name, 'serves');
    await relay.run(new AbortController().signal);
  }

  /** As the operator does: a damaged journal is salvaged, a full disk waited for. */
  async #openJournal(disk: Disk, process: RelayProcess) {
    const now = () => Math.max(0, this.parts.site.timeline.now + process.skewMs);
    const opened = await openJournal(disk, now, { salvage: false });
    if (opened.ok) return opened.value.journal;
    if (opened.error.code !== 'corrupt') return null;
    if (!this.wasDamaged)
      this.parts.site.violate('I8', `${this.name} finds its journal damaged, and no disk has rotted`);
    const salvaged = await openJournal(disk, now, { salvage: true });
    return salvaged.ok ? salvaged.value.journal : null;
  }

  flipJournal(): boolean {
    return this.disk.flip(JOURNAL_FILE);
  }
}
