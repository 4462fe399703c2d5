// Pure. Words for waits: times, commands and advice.
import type { MaasFailureSeen } from '../../shared/observation.ts';
import { PROBLEM_CODES, problemOf } from '../../shared/problem.ts';

/** "7 of at most 75 minutes"; seconds when the limit is short. */
export function elapsed(since: number, now: number, limitMs: number): string {
  const [unitMs, unit] = limitMs >= 180_000 ? [60_000, 'minutes'] : [1_000, 'seconds'];
  return `${Math.floor(Math.max(0, now - since) / unitMs)} of at most ${Math.round(limitMs / unitMs)} ${unit}`;
}

const ASKING: Record<string, string> = {
  'ensure-identity': 'the relay to make the cluster’s certificates',
  'observe-inventory': 'the relay to read what MAAS has',
  'ensure-address': 'MAAS to reserve the address of the Kubernetes API',
  'ensure-address-released': 'MAAS to free the address of the Kubernetes API',
  'ensure-allocated': 'MAAS to give a machine',
  'ensure-applied': 'the Kubernetes API to take the manifests',
  'ensure-released': 'MAAS to accept that a machine goes back',
  'ensure-node-removed': 'the node to be removed from Kubernetes',
  'ensure-member-removed': 'the member to be removed from etcd',
  'ensure-kubernetes-version': 'Kubernetes to take the version that machines join with',
};

/** Null for commands whose wait is a machine's own, or that stand for ever. */
export function askingSentence(key: string): string | null {
  const what = ASKING[key.split('/')[1] ?? ''];
  const slot = subjectLabel(key);
  return what === undefined ? null : `Waiting for ${what}${slot === null ? '' : ` for slot ${slot}`}.`;
}

/** As `askingSentence`, for a command that the relay tries again because MAAS fails. */
export function tryingSentence(key: string, { code, detail }: MaasFailureSeen): string {
  const asked = askingSentence(key)?.replace(/\.$/, '') ?? `Waiting for MAAS to take ${key.split('/')[1]}`;
  return `${asked}; ${code}: ${detail.replace(/\.?$/, '.')} Trying again.`.slice(0, 1_000);
}

/** "The gateway can’t reach MAAS (MAAS_UNREACHABLE: connection refused). Check the endpoint …" */
export function maasSentence({ code, detail }: MaasFailureSeen): string {
  const known = PROBLEM_CODES.find((candidate) => candidate === code);
  const title = known === undefined ? 'MAAS fails' : problemOf({ code: known, detail: '' }, '').title;
  // "Try again" is no advice for what is tried again all the time.
  const advice = code === 'MAAS_BUSY' ? '' : adviceFor(code);
  return `${title} (${code}: ${detail.replace(/\.$/, '')}).${advice === '' ? '' : ` ${advice}`}`;
}

/** The slot a command is about; null for the whole cluster. */
export const subjectLabel = (key: string): string | null => /^([^/]+)\.\d+\//.exec(key)?.[1] ?? null;

const ADVICE: Record<string, string> = {
  SITE_FORBIDS: 'The site’s own settings forbid it: ask who runs the gateway.',
  SECRET_UNREADABLE: 'The gateway can’t open a secret sealed for it: set the cloud account’s key again.',
  CONFIGURATION_CHANGED: 'This is a bug of Slipway: report it.',
  COMMAND_UNKNOWN: 'The gateway’s relay is older than the console: upgrade the gateway.',
  RELAY_BUG: 'This is a bug of Slipway: report it.',
  MAAS_REFUSED: 'MAAS refuses the values given: correct them in the profile or in MAAS.',
};

/** What somebody can do about a failure that does not go away by itself. */
export function adviceFor(code: string): string {
  const known = PROBLEM_CODES.find((candidate) => candidate === code);
  return ADVICE[code] ?? (known === undefined ? '' : problemOf({ code: known, detail: '' }, '').todo);
}
