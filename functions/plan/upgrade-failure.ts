// Pure. Why an upgrade stopped, and what somebody can do about it (SPEC.md [UP4]).
import type { NodeFacts, UpgradeState } from './upgrade-state.ts';

type Told = { readonly what: string; readonly todo: string };

const FAILURES: Record<string, (host: string) => Told> = {
  RELEASE_UNTRUSTED: (host) => ({
    what: `The relay on ${host} does not trust the release`,
    todo: 'Compare the release key that it pins with RELEASE_KEY of this deployment; `slipway-relay doctor` shows it.',
  }),
  RELEASE_OLDER: (host) => ({
    what: `The relay on ${host} runs something newer`,
    todo: 'Upgrade to a newer release.',
  }),
  RELEASE_UNAVAILABLE: (host) => ({
    what: `The relay on ${host} could not get the program`,
    todo: 'See that it reaches the console, and that the release has a program for its platform.',
  }),
  RELEASE_ROLLED_BACK: (host) => ({
    what: `The new program on ${host} did not stay connected, and the former serves again`,
    todo: 'Read the log of the relay there, then ask for the upgrade again.',
  }),
  RELAY_OFFLINE: (host) => ({
    what: `The relay on ${host} did not connect within 20 minutes`,
    todo: 'Start it, or remove it from the gateway; then ask for the upgrade again.',
  }),
  DEADLINE_PASSED: (host) => ({
    what: `The relay on ${host} did not run the release within 20 minutes`,
    todo: 'Read the log of the relay there, then ask for the upgrade again.',
  }),
  MACHINES_GONE: () => ({
    what: 'The machines of the gateway are given back, or failed',
    todo: 'See `machines` of the gateway.',
  }),
  KUBERNETES_SKEW: () => ({
    what: 'The relays run the release, and the machines can’t: their Kubernetes would go back, or too far at once',
    todo: 'Upgrade to a release whose Kubernetes is at most one minor version ahead.',
  }),
  GATEWAY_WITHOUT_MACHINES: () => ({
    what: 'The relays run the release, and the gateway has no machines of its own to change',
    todo: 'Nothing: the gateway serves.',
  }),
  MACHINES_LATE: () => ({
    what: 'The machines of the gateway did not all run the release within 24 hours',
    todo: 'They go on: `machines.waitingOn` of the gateway says what for. Ask for the upgrade again to have it watched.',
  }),
};

/** @param node the one it is about; null for the machines */
export function failureOf(
  code: string,
  detail: string,
  node: Pick<NodeFacts, 'nodeId' | 'hostname'> | null,
  { to }: Pick<UpgradeState, 'to'>,
): NonNullable<UpgradeState['failure']> {
  const told = FAILURES[code]?.(node?.hostname ?? '') ?? {
    what: `Release ${to} failed (${code})`,
    todo: 'Ask for it again.',
  };
  const words = detail === '' ? '' : ` (${detail.replace(/\.$/, '')})`;
  const others = node === null ? '' : ' The other relays stay as they are.';
  return { code, message: `${told.what}${words}. ${told.todo}${others}`.slice(0, 2_000) };
}
