// Machines played inside the lab's process: each does over real HTTP what its user-data tells a real one to do: fetches its
// user-data, enrols with the relay, waits for its turn, takes its bootstrap document, "runs" its steps with the kubeadm
// stand-in, and reports. Nothing of a step's shell text is executed but kubeadm's command line; of a gateway's machine also the
// relay, as a process (machine-relay.ts).
import { setTimeout as delay } from 'node:timers/promises';
import type { BootstrapStep } from '../../../shared/bootstrap.ts';
import { type FilledDocument, WHOLE_BOOTSTRAP } from '../../../shared/enrolment.ts';
import { ok } from '../../../shared/result.ts';
import type { BootingMachine, CreateMachineDriver, DriverContext } from '../machine-driver.ts';
import { fetchMetadata } from '../metadata-client.ts';
import { KUBELET_VERSION_FILE, runKubeadm } from './kubeadm.ts';
import { type KubernetesHub, startKubernetesHub } from './kubernetes-hub.ts';
import { type MachineRelay, machineRelay, RELAY_STEP, type StepEnd } from './machine-relay.ts';
import { memoryDisk } from './memory-disk.ts';
import { type RelayClient, relayClient } from './relay-client.ts';
import { readUserData } from './user-data.ts';

/** A relay that does not answer is asked again at this pace, as the enrolment script does. */
const RETRY_MS = 500;
const PKI_DELIVERED = '/var/lib/slipway/pki';
const PKI_USED = '/etc/kubernetes/pki';

type Life = {
  readonly ended: Promise<void>;
  readonly stop: AbortController;
  /** There once the machine's document wants one; it outlives the bootstrap. */
  readonly relay: () => MachineRelay | null;
};

export const createMachineDriver: CreateMachineDriver = async (context) => {
  const hub = startKubernetesHub();
  const lives = new Map<string, Life>();
  const powerOff = async (systemId: string): Promise<void> => {
    const life = lives.get(systemId);
    lives.delete(systemId);
    life?.stop.abort();
    await life?.ended;
    await life?.relay()?.powerOff();
    await hub.powerOff(systemId);
  };
  return {
    name: 'simulated',
    powerOn: async (machine) => {
      if (lives.has(machine.systemId)) return ok(undefined);
      const stop = new AbortController();
      let own: MachineRelay | null = null;
      const ownRelay = (): MachineRelay => {
        own ??= machineRelay(machine, stop.signal, (line) => context.log(`relay of ${machine.hostname}: ${line}`));
        return own;
      };
      const ended = live(machine, { hub, context, ownRelay, signal: stop.signal }).catch((error: unknown) => {
        if (!stop.signal.aborted) context.log(`${machine.hostname}: ${String(error)}`);
      });
      lives.set(machine.systemId, { ended, stop, relay: () => own });
      return ok(undefined);
    },
    powerOff: async (systemId) => {
      await powerOff(systemId);
      return ok(undefined);
    },
    status: async (systemId) => (lives.has(systemId) ? 'on' : 'off'),
    nodes: () => hub.nodes(),
    close: async () => {
      for (const systemId of [...lives.keys()]) await powerOff(systemId);
      await hub.close();
    },
  };
};

type Surroundings = {
  readonly hub: KubernetesHub;
  readonly context: DriverContext;
  readonly ownRelay: () => MachineRelay;
  readonly signal: AbortSignal;
};

async function live(machine: BootingMachine, surroundings: Surroundings): Promise<void> {
  const { context, signal } = surroundings;
  await take(context, machine, 'boot', machine.timings.powerOnMs, signal);
  const fetched = await fetchMetadata(machine, '2012-03-01/user-data', signal);
  if (!fetched.ok) throw new Error(`no user-data: ${fetched.error.detail}`);
  const enrolment = readUserData(fetched.value);
  if (!enrolment.ok) throw new Error(enrolment.error);
  const relay = relayClient(enrolment.value, machine.address, signal);
  const document = await waitForTurn(machine, relay, signal);
  if (document === null) return;
  await acknowledge(relay, signal);
  await runDocument(document, { ...surroundings, machine, relay, document });
}

async function waitForTurn(
  machine: BootingMachine,
  relay: RelayClient,
  signal: AbortSignal,
): Promise<FilledDocument | null> {
  for (;;) {
    const turn = await untilDone(async () => {
      await relay.enrol(machine.address);
      return relay.turn();
    }, signal);
    if (turn.kind === 'document') return turn.document;
    if (turn.kind === 'over') return null;
  }
}

/** Three tries, as the enrolment script has them: when nobody hears it, the first report says as much. */
async function acknowledge(relay: RelayClient, signal: AbortSignal): Promise<void> {
  for (let tries = 1; tries <= 3; tries += 1) {
    try {
      return await relay.acknowledge();
    } catch (error) {
      if (signal.aborted) throw error;
      await delay(tries * 1_000, undefined, { signal });
    }
  }
}

type Run = Surroundings & {
  readonly machine: BootingMachine;
  readonly relay: RelayClient;
  readonly document: FilledDocument;
};

async function runDocument(document: FilledDocument, run: Run): Promise<void> {
  const disk = memoryDisk();
  for (const file of document.files) disk.write(file.path, file.content);
  const say = (step: string, outcome: string, attempt: number, exitCode: number | null, log: string): Promise<void> =>
    untilDone(() => run.relay.report({ step, outcome, attempt, exitCode, log }), run.signal);
  for (const step of document.steps) {
    for (let attempt = 1; ; attempt += 1) {
      await say(step.name, 'started', attempt, null, '');
      const done = await runStep(step, disk, run);
      await say(
        step.name,
        done.exitCode === 0 ? 'succeeded' : 'failed',
        attempt,
        done.exitCode,
        done.output.slice(-12_000),
      );
      if (done.exitCode === 0) break;
      if (attempt >= step.attempts) return say(WHOLE_BOOTSTRAP, 'failed', 1, done.exitCode, `step ${step.name} failed`);
      await delay(step.pauseSeconds * 1_000, undefined, { signal: run.signal });
      // What `beforeRetry` is for, whatever its words: reset, and put back what reset deleted.
      await runKubeadm(['reset', '-f'], { systemId: run.machine.systemId, disk }, run.hub);
      for (const file of document.files) disk.write(file.path, file.content);
    }
  }
  await say(WHOLE_BOOTSTRAP, 'succeeded', 1, 0, '');
}

async function runStep(step: BootstrapStep, disk: ReturnType<typeof memoryDisk>, run: Run): Promise<StepEnd> {
  if (step.name === RELAY_STEP) return installRelay(step, run);
  const installed = /\bkubelet='([\d.]+)-\*'/.exec(step.script)?.[1];
  if (installed !== undefined) disk.write(KUBELET_VERSION_FILE, `v${installed}`);
  const command = /^[^#\n]*\bkubeadm\s+(init|join)\b([^\n;&|]*)/m.exec(step.script);
  if (command === null) return { exitCode: 0, output: `simulated: ${step.name} was not run` };
  const [, verb = '', rest = ''] = command;
  for (const path of disk.paths().filter((one) => one.startsWith(`${PKI_DELIVERED}/`))) {
    disk.write(`${PKI_USED}${path.slice(PKI_DELIVERED.length)}`, disk.read(path) ?? '');
  }
  const timings = run.machine.timings;
  await take(
    run.context,
    run.machine,
    `kubeadm-${verb}`,
    verb === 'init' ? timings.kubeadmInitMs : timings.kubeadmJoinMs,
    run.signal,
  );
  const args = [
    verb,
    ...rest
      .trim()
      .split(/\s+/)
      .map((word) => word.replaceAll(/["']/g, '')),
  ];
  try {
    return await runKubeadm(args, { systemId: run.machine.systemId, disk }, run.hub);
  } catch (error) {
    // An address in use, say: a real kubeadm would print it and fail, and the step must end either way.
    return { exitCode: 1, output: `error: ${String(error)}\n` };
  }
}

async function installRelay(step: BootstrapStep, run: Run): Promise<StepEnd> {
  try {
    return await run.ownRelay().install(run.document, step.script, run.relay);
  } catch (error) {
    // A relay that hangs up in the middle: curl would fail, and the step with it.
    return { exitCode: 1, output: `error: ${String(error)}\n` };
  }
}

/** Spends the machine's own time and tells the lab, so that a demo can tell it from ours. */
async function take(
  context: DriverContext,
  machine: BootingMachine,
  kind: string,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const startMs = context.now();
  await delay(ms, undefined, { signal });
  context.recordDelay({ machine: machine.systemId, kind, startMs, endMs: context.now() });
}

/** Tries until it works or the machine is switched off. */
async function untilDone<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted) throw error;
      await delay(RETRY_MS, undefined, { signal });
    }
  }
}
