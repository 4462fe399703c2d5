// What a machine does with its bootstrap document, as the real script does (relay/bootstrap/render-bootstrap-script.ts): files
// are placed once, steps that are done are passed over after a reboot, one that was cut short starts with its clean-up, and
// reports wait on the disk for a relay that hears them.
import { type FilledDocument, WHOLE_BOOTSTRAP } from '../../shared/enrolment.ts';
import { type KubeadmMachine, runKubeadm } from '../lab/machines/kubeadm.ts';
import type { KubernetesHub } from '../lab/machines/kubernetes-hub.ts';
import { type MemoryDisk, memoryDisk } from '../lab/machines/memory-disk.ts';
import type { Timeline } from './timeline.ts';

export type BootstrapReport = {
  readonly step: string;
  readonly outcome: 'started' | 'succeeded' | 'failed';
  readonly attempt: number;
  readonly exitCode: number | null;
  readonly log: string;
};

/** What a machine keeps over a reboot. */
export type MachineDisk = {
  readonly files: MemoryDisk;
  document: FilledDocument | null;
  servedBy: string | null;
  acknowledged: boolean;
  placed: boolean;
  /** Steps by their place in the document. */
  readonly begun: Set<number>;
  readonly done: Set<number>;
  readonly outbox: BootstrapReport[];
  finished: boolean;
};

export type BootstrapMachine = {
  readonly timeline: Pick<Timeline, 'now'>;
  readonly sleep: (ms: number) => Promise<void>;
  readonly backOffMs: (pauseMs: number) => number;
  readonly step: (script: string) => Promise<{ readonly exitCode: number; readonly output: string }>;
  /** The clean-up before a step is tried again. */
  readonly reset: () => Promise<void>;
  /** One try with every relay; false when none took it. */
  readonly tell: (report: BootstrapReport) => Promise<boolean>;
};

const PKI_DELIVERED = '/var/lib/slipway/pki';
const PKI_USED = '/etc/kubernetes/pki';
/** Of failures that are tried again, one in so long is told. */
const FAILURE_REPORT_MS = 20_000;
const LAST_REPORTS_MS = 1_800_000;
const BACK_OFF_MS_MAX = 15_000;

export function bootstrapDisk(): MachineDisk {
  return {
    files: memoryDisk(),
    document: null,
    servedBy: null,
    acknowledged: false,
    placed: false,
    begun: new Set(),
    done: new Set(),
    outbox: [],
    finished: false,
  };
}

export async function runBootstrap(disk: MachineDisk, document: FilledDocument, machine: BootstrapMachine) {
  if (!disk.placed) for (const file of document.files) disk.files.write(file.path, file.content);
  disk.placed = true;
  await report(disk, machine, { step: WHOLE_BOOTSTRAP, outcome: 'started', attempt: 1, exitCode: null, log: '' });
  const failure = await runSteps(disk, document, machine);
  const outcome = failure === null ? 'succeeded' : 'failed';
  const exitCode = failure?.exitCode ?? 0;
  const log = failure?.output.slice(-500) ?? '';
  await report(disk, machine, { step: WHOLE_BOOTSTRAP, outcome, attempt: 1, exitCode, log });
  const until = machine.timeline.now + LAST_REPORTS_MS;
  for (let pauseMs = 1_000; machine.timeline.now < until; pauseMs = Math.min(BACK_OFF_MS_MAX, pauseMs * 2)) {
    if (await sendReports(disk, machine)) break;
    await machine.sleep(machine.backOffMs(pauseMs));
  }
  disk.finished = true;
}

type StepEnd = { readonly exitCode: number; readonly output: string; readonly attempt: number };

/** The first failure for good; null when all are done. */
async function runSteps(disk: MachineDisk, document: FilledDocument, machine: BootstrapMachine) {
  for (const [index, step] of document.steps.entries()) {
    if (disk.done.has(index)) continue;
    if (disk.begun.has(index) && step.beforeRetry !== null) await machine.reset();
    disk.begun.add(index);
    const end = await runStep(disk, machine, step);
    if (end.exitCode !== 0) return end;
    disk.done.add(index);
    await report(disk, machine, stepReport(step.name, end));
  }
  return null;
}

async function runStep(
  disk: MachineDisk,
  machine: BootstrapMachine,
  step: FilledDocument['steps'][number],
): Promise<StepEnd> {
  await report(disk, machine, { step: step.name, outcome: 'started', attempt: 1, exitCode: null, log: '' });
  let toldAt = 0;
  for (let attempt = 1; ; attempt += 1) {
    const end = { ...(await machine.step(step.script)), attempt };
    if (end.exitCode === 0) return end;
    const isLast = attempt >= step.attempts;
    if (attempt === 1 || isLast || machine.timeline.now - toldAt >= FAILURE_REPORT_MS) {
      await report(disk, machine, stepReport(step.name, end));
      toldAt = machine.timeline.now;
    }
    if (isLast) return end;
    if (step.beforeRetry !== null) await machine.reset();
    await machine.sleep(step.pauseSeconds * 1_000);
  }
}

const stepReport = (step: string, { exitCode, output, attempt }: StepEnd): BootstrapReport => ({
  step,
  outcome: exitCode === 0 ? 'succeeded' : 'failed',
  attempt,
  exitCode,
  log: output.slice(-2_000),
});

/** Kept, and sent if a relay hears it now. */
async function report(disk: MachineDisk, machine: BootstrapMachine, about: BootstrapReport): Promise<void> {
  disk.outbox.push(about);
  await sendReports(disk, machine);
}

/** In order. False while there are some that no relay took. */
async function sendReports(disk: MachineDisk, machine: BootstrapMachine): Promise<boolean> {
  for (let first = disk.outbox[0]; first !== undefined; first = disk.outbox[0]) {
    if (!(await machine.tell(first))) return false;
    disk.outbox.shift();
  }
  return true;
}

/** What the documents' clean-up does: a reset takes away what was delivered, so it is placed again. */
export async function resetKubeadm(disk: MachineDisk, machine: KubeadmMachine, hub: KubernetesHub): Promise<void> {
  await runKubeadm(['reset', '-f'], machine, hub);
  placePki(disk);
}

export function placePki({ files }: MachineDisk): void {
  for (const path of files.paths().filter((one) => one.startsWith(`${PKI_DELIVERED}/`)))
    files.write(`${PKI_USED}${path.slice(PKI_DELIVERED.length)}`, files.read(path) ?? '');
}
