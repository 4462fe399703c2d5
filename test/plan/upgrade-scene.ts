// One upgrade on a clock that the test moves, with the relays and the machines that the test shows it.
import { expect } from 'vitest';
import { type NodeFacts, newUpgrade, type UpgradeFacts, UpgradeState } from '../../functions/plan/upgrade-state.ts';
import { settleExchange, stepUpgrade } from '../../functions/plan/upgrade-step.ts';
import { upgradeLines, upgradeWaits } from '../../functions/plan/upgrade-view.ts';
import type { CommandOutcome } from '../../shared/command.ts';
import { RelayNodeId } from '../../shared/ids.ts';
import type { MachinesRelease, ReleaseManifest } from '../../shared/release.ts';

export const START = 1_800_000_000_000;
export const MINUTE = 60_000;
export const MACHINES: MachinesRelease = {
  ...{ image: 'ubuntu/noble', kubernetesVersion: 'v1.34.0', packageRepository: null },
  kubeVipImage: 'ghcr.io/kube-vip/kube-vip:v1.0.0',
};
export const MANIFEST: ReleaseManifest = {
  ...{ v: 1, version: '0.2.0', severity: 'high', changes: ['Mends a leak.'], machines: null },
  programs: [{ platform: 'linux-x64', sha256: '0'.repeat(64), sizeBytes: 5 }],
};

export const node = (name: string, more: Partial<NodeFacts> = {}): NodeFacts => ({
  nodeId: RelayNodeId.parse(`nod_${name}`),
  hostname: name,
  version: '0.1.0',
  connected: true,
  leader: false,
  ...more,
});

export const OK: CommandOutcome = { ok: true, value: { verb: 'ensure-relay-program', version: '0.2.0' } };
export const failed = (code: 'RELEASE_UNTRUSTED' | 'RELEASE_ROLLED_BACK' | 'RELAY_STORAGE' | 'DEADLINE_PASSED') =>
  ({ ok: false, error: { code, detail: 'x' } }) as const;

/** An upgrade on a clock that the test moves; the state goes through its codec with each step. */
export class Scene {
  now = START;
  nodes: NodeFacts[];
  machines: UpgradeFacts['machines'] = null;
  hasMachines = false;
  state: UpgradeState;
  readonly lines: string[] = [];

  constructor(nodes: NodeFacts[], more: Partial<Pick<UpgradeState, 'window' | 'machines'>> = {}) {
    this.nodes = nodes;
    const release = { manifest: JSON.stringify(MANIFEST), signature: 's'.repeat(86) };
    const asked = { number: 1, release, from: '0.1.0', to: '0.2.0', actor: 'tester', window: null, machines: null };
    this.state = newUpgrade({ ...asked, ...more }, START);
    this.lines.push(...upgradeLines(null, this.state, this.facts).map(({ message }) => message));
  }

  get facts(): UpgradeFacts {
    return { nodes: this.nodes, hasMachines: this.hasMachines, machines: this.machines };
  }

  step() {
    const stepped = stepUpgrade(this.state, this.facts, this.now);
    this.#keep(stepped.state);
    // Level-triggered: asked again at the same moment nothing is different.
    expect(stepUpgrade(this.state, this.facts, this.now)).toEqual({ ...stepped, state: this.state });
    for (const wait of upgradeWaits(this.state, this.facts, this.now)) {
      expect(wait.sentence).toMatch(/^[A-Z].*\.$/);
      expect(wait.deadlineAt).toBeGreaterThan(this.now);
    }
    return stepped;
  }

  settle(name: string, outcome: CommandOutcome, attempt = 1): void {
    const from = { nodeId: node(name).nodeId, hostname: name, attempt };
    this.#keep(settleExchange(this.state, from, outcome, this.now));
  }

  see(name: string, more: Partial<NodeFacts>): void {
    this.nodes = this.nodes.map((one) => (one.hostname === name ? { ...one, ...more } : one));
  }

  get sentence(): string | undefined {
    return upgradeWaits(this.state, this.facts, this.now)[0]?.sentence;
  }

  #keep(next: UpgradeState): void {
    this.lines.push(...upgradeLines(this.state, next, this.facts).map(({ message }) => message));
    this.state = UpgradeState.parse(JSON.parse(JSON.stringify(next)));
  }
}
