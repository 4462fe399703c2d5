// A gateway with machines of its own on a clock that the test moves, with a stand-in for their cluster: who leads while it is being
// deleted, what its cluster is told when calls fail, and how it ends by itself.
import { afterEach, expect, test } from 'vitest';
import { GatewayLogic } from '../../functions/objects/gateway-logic.ts';
import type { GatewayPorts } from '../../functions/objects/gateway-ports.ts';
import { Claim } from '../../shared/claim.ts';
import { ClusterSpec } from '../../shared/cluster-spec.ts';
import type { ClusterPhase, ClusterView } from '../../shared/cluster-view.ts';
import type { CommandOutcome } from '../../shared/command.ts';
import { AccountId, type ClusterId } from '../../shared/ids.ts';
import type { Installation, RelayOfMachine } from '../../shared/installation.ts';
import { LEASE_MS, NODE_CODE_MS } from '../../shared/limits.ts';
import { apiFailure } from '../../shared/problem.ts';
import { err, ok } from '../../shared/result.ts';
import { CLOSE } from '../../shared/tunnel-frame.ts';
import { ACCOUNT, aRelease, GATEWAY_ID } from './command-samples.ts';
import { type BenchNode, type BenchSocket, GatewayBench } from './gateway-bench.ts';

const MACHINES: Installation['machines'] = {
  ...{ size: 1, zones: [], podCidr: '10.1.0.0/16', serviceCidr: '10.2.0.0/16' },
  minimums: { cpuCores: 4, memoryMiB: 8_192, diskGB: 60 },
};
const FACTS = {
  ...{ maasVersion: '3.7.0', user: 'slipway', isAdmin: false, zones: [], pools: [], domains: [], images: [] },
  ...{ readyMachines: 3, permissionsMissing: [] },
};
const INSTALLATION: Installation = { account: { name: 'maas', access: ACCOUNT, facts: FACTS }, machines: MACHINES };

/** The cluster of the gateway's machines, as far as the gateway sees it. */
class StandIn {
  id: ClusterId | null = null;
  phase: ClusterPhase = 'running';
  isProvisioned = true;
  isReachable = true;
  isInCatalogue = true;
  readonly told: (readonly RelayOfMachine[])[] = [];
  /** Numbers of the notices that were sent, those that failed too. */
  readonly notices: (number | null)[] = [];
  readonly asked: string[] = [];

  readonly ports: Pick<GatewayPorts, 'ownCluster' | 'catalogue'> = {
    ownCluster: () => ({
      view: async () => this.#view(),
      changeMachines: async () => err(apiFailure('NOT_FOUND')),
      relaysChanged: async (relays, notice) => {
        this.notices.push(notice ?? null);
        if (!this.isReachable) throw new Error('away');
        this.told.push(relays);
        return true;
      },
      requestAbort: async (actor) => this.#end('aborting', actor),
      requestDeletion: async (actor) => this.#end('deleting', actor),
      leftovers: async () => ({ machines: [], address: null }),
      abandon: async () => void this.asked.push('abandon'),
    }),
    catalogue: {
      putAccount: async () => ok(null),
      makeCluster: async ({ clusterId }) => {
        this.id = clusterId;
        return ok(null);
      },
      finishCluster: async () => false,
      beginRemoval: async () => !this.isInCatalogue,
      endRemoval: async () => void this.asked.push('end'),
    },
  };

  #view(): ClusterView | null {
    if (!this.isReachable) throw new Error('away');
    if (this.id === null) return null;
    const pools = [{ name: 'gateway', role: 'control-plane', size: 1, allowWorkloads: true }];
    const spec = ClusterSpec.parse({ name: 'bench', profileId: 'pro_maas', accountId: ACCOUNT.accountId, pools });
    return {
      ...{ id: this.id, name: 'bench', description: '', tags: [], phase: this.phase, failure: null, spec },
      ...{ gatewayId: GATEWAY_ID, accountId: AccountId.parse('acc_test'), generation: 1, createdAt: 1 },
      ...{ provisionedAt: this.isProvisioned ? 1 : null, deletedAt: null, endpoint: null, kubernetesVersion: 'v1' },
      ...{ machines: [], waitingOn: [], conditions: [] },
    };
  }

  #end(phase: ClusterPhase, actor: string) {
    this.asked.push(`${phase} by ${actor}`);
    this.phase = phase;
    const view = this.#view();
    if (view === null) throw new Error('no cluster');
    return Promise.resolve(ok(view));
  }
}

let bench: GatewayBench;
afterEach(() => bench.sql.close());

type Scene = {
  readonly cluster: StandIn;
  readonly outside: { readonly node: BenchNode; socket: BenchSocket };
  readonly inside: { readonly node: BenchNode; socket: BenchSocket };
  readonly claim: Claim;
};

/** A gateway with one machine: the relay that installed it still there, and the one on the machine. */
async function aGateway(): Promise<Scene> {
  const cluster = new StandIn();
  bench = new GatewayBench(cluster.ports);
  const node = await bench.pair();
  const socket = await bench.join(node);
  await bench.say(socket, { type: 'installation', installation: INSTALLATION });
  expect(socket.last('installation-state')).toMatchObject({ state: { refused: null, clusterId: cluster.id } });
  const claim = Claim.parse(`slipway/${GATEWAY_ID}/${cluster.id}/gateway-0/1`);
  const inside = await bench.pairOnMachine(socket, claim);
  return { cluster, outside: { node, socket }, inside: { node: inside, socket: await bench.join(inside) }, claim };
}

async function lease(socket: BenchSocket, epoch: number | null = null) {
  await bench.say(socket, { type: 'lease-request', epoch });
  const answer = socket.frames.at(-1);
  if (answer?.type === 'lease' || answer?.type === 'lease-refused') return answer;
  throw new Error('no answer to a lease request');
}

test('[I5] while a gateway is deleted a relay outside leads, as soon as the lease of the one inside has run out', async () => {
  const { inside, outside } = await aGateway();
  await bench.drop(outside.socket);
  await bench.logic.enqueue([aRelease('w-0')]);
  await bench.settle();
  expect(inside.socket.delivered()).toHaveLength(1);
  expect(await lease(inside.socket)).toMatchObject({ type: 'lease', epoch: 1 });
  await bench.logic.requestDeletion('admin');
  // Alone it goes on: somebody has to.
  expect(await lease(inside.socket, 1)).toMatchObject({ type: 'lease', epoch: 1 });
  const back = await bench.join(outside.node, 2);
  expect(await lease(inside.socket, 1)).toMatchObject({ type: 'lease-refused' });
  expect(await lease(back)).toMatchObject({ type: 'lease-refused' });
  await bench.advance(LEASE_MS, [inside.socket, back]);
  expect(back.delivered()).toHaveLength(1);
  expect(inside.socket.last('withdraw')?.commandIds).toEqual(back.delivered().map(({ commandId }) => commandId));
  const granted = await lease(back);
  expect(granted).toMatchObject({ type: 'lease', epoch: 2, guards: [{ subject: 'w-0' }] });
  expect(await lease(inside.socket)).toMatchObject({ type: 'lease-refused' });
});

test('[I5] a relay outside that falls silent does not keep those inside from going on', async () => {
  const { inside, outside } = await aGateway();
  await bench.logic.requestDeletion('admin');
  expect(await lease(inside.socket)).toMatchObject({ type: 'lease-refused' });
  // No ping of it is answered any more, though its socket still stands.
  await bench.advance(120_000, [inside.socket]);
  expect(outside.socket.closedWith).toBeNull();
  expect(await lease(inside.socket)).toMatchObject({ type: 'lease' });
});

test('[I5] at any other time the lease goes to whoever asks first', async () => {
  const { inside, outside } = await aGateway();
  expect(await lease(inside.socket)).toMatchObject({ type: 'lease' });
  expect(await lease(outside.socket)).toMatchObject({ type: 'lease-refused' });
});

test('[I5] a gateway ends by itself when its machines are gone and the catalogue says so too', async () => {
  const { cluster, outside, inside } = await aGateway();
  await bench.logic.requestDeletion('alice');
  await bench.logic.requestDeletion('bob');
  expect(cluster.asked).toEqual(['deleting by alice']);
  expect(await bench.logic.view()).toMatchObject({ phase: 'deleting', machines: { phase: 'deleting' } });
  await bench.say(inside.socket, { type: 'node-leave' });
  expect(inside.socket.closedWith).toBeNull();
  cluster.phase = 'deleted';
  await bench.advance(120_000, [outside.socket]);
  expect(outside.socket.closedWith).toBeNull();
  cluster.isInCatalogue = false;
  await bench.advance(61_000, [outside.socket]);
  expect([outside.socket.closedWith, inside.socket.closedWith]).toEqual([CLOSE.REVOKED, CLOSE.REVOKED]);
  expect(cluster.asked.slice(-1)).toEqual(['end']);
  expect(await bench.logic.view()).toBeNull();
  expect(bench.alarmAt).toBeNull();
  expect(bench.sql.run('SELECT * FROM own')).toEqual([]);
});

test('[I5] the last report about its machines ends the gateway at once', async () => {
  const { cluster, outside } = await aGateway();
  await bench.logic.requestDeletion('admin');
  cluster.phase = 'deleted';
  cluster.isInCatalogue = false;
  const command = aRelease('gateway-0', { clusterId: cluster.id });
  await bench.logic.enqueue([command]);
  await bench.settle();
  const outcome: CommandOutcome = { ok: true, value: { verb: 'ensure-released', machines: [] } };
  await bench.say(outside.socket, { type: 'report', commandId: command.commandId, outcome, epoch: null });
  expect(outside.socket.closedWith).toBe(CLOSE.REVOKED);
});

test('[I5] a deletion goes on though the cluster of its machines is away for a while', async () => {
  const { cluster, outside } = await aGateway();
  cluster.isProvisioned = false;
  cluster.isReachable = false;
  await expect(bench.logic.requestDeletion('admin')).rejects.toThrow('away');
  await bench.advance(120_000, [outside.socket]);
  cluster.isReachable = true;
  await bench.advance(61_000, [outside.socket]);
  expect(cluster.asked).toEqual(['aborting by admin']);
});

test('[I1] the machines are told which relays there are, on every change, once, and again until they hear', async () => {
  const { cluster, inside, outside, claim } = await aGateway();
  const last = () => cluster.told.at(-1)?.map((relay) => [relay.claim, relay.state, relay.connected]);
  expect(last()).toEqual([
    [null, 'active', true],
    [claim, 'active', true],
  ]);
  const count = cluster.told.length;
  await bench.say(outside.socket, { type: 'lease-request', epoch: null });
  expect(cluster.told).toHaveLength(count);
  cluster.isReachable = false;
  await bench.drop(inside.socket);
  expect(cluster.told).toHaveLength(count);
  cluster.isReachable = true;
  await bench.advance(3_000, [outside.socket]);
  expect(last()?.[1]).toEqual([claim, 'active', false]);
  expect(cluster.told).toHaveLength(count + 1);
});

test('[GW4] notices are numbered one by one: one that fails keeps its number, and an object that starts anew counts on', async () => {
  const { cluster, inside, outside } = await aGateway();
  const oneByOne = () => cluster.notices.map((_, at) => at + 1);
  expect(cluster.notices.length).toBeGreaterThan(1);
  expect(cluster.notices).toEqual(oneByOne());
  const count = cluster.notices.length;
  cluster.isReachable = false;
  await bench.drop(inside.socket);
  expect(cluster.notices).toHaveLength(count + 1);
  cluster.isReachable = true;
  const again = new GatewayLogic(bench.ports);
  bench.now += 3_000;
  outside.socket.pongAt = bench.now;
  await again.alarm();
  await bench.settle();
  expect(cluster.notices).toHaveLength(count + 2);
  expect(cluster.notices).toEqual(oneByOne());
});

test('[GW4] what a notice that failed may have said is corrected, though all is as it was before it', async () => {
  const { cluster, inside, outside, claim } = await aGateway();
  const count = cluster.told.length;
  cluster.isReachable = false;
  await bench.drop(inside.socket);
  inside.socket = await bench.join(inside.node, 2);
  cluster.isReachable = true;
  await bench.advance(3_000, [outside.socket, inside.socket]);
  expect(cluster.told).toHaveLength(count + 1);
  expect(cluster.told.at(-1)).toContainEqual(expect.objectContaining({ claim, connected: true }));
});

test('[I3] the relay of a machine that is given back is revoked, and again; the last that has the key is not', async () => {
  const { cluster, inside, outside, claim } = await aGateway();
  expect(await bench.logic.revokeRelayOf(claim)).toEqual(ok(null));
  expect(inside.socket.closedWith).toBe(CLOSE.REVOKED);
  expect(await bench.logic.revokeRelayOf(claim)).toEqual(ok(null));
  expect(cluster.told.at(-1)).toMatchObject([{ nodeId: outside.node.nodeId }]);
  const next = Claim.parse(`slipway/${GATEWAY_ID}/${cluster.id}/gateway-0/2`);
  const again = await bench.pairOnMachine(outside.socket, next);
  const socket = await bench.join(again);
  await bench.say(outside.socket, { type: 'node-leave' });
  expect(outside.socket.closedWith).toBe(CLOSE.REVOKED);
  expect(await bench.logic.revokeRelayOf(next)).toMatchObject({ ok: false, error: { code: 'CONFIRMATION_REQUIRED' } });
  expect(socket.closedWith).toBeNull();
});

test('[I3] a code that comes when its machine is given back is not taken, and does not stand', async () => {
  const { outside, claim } = await aGateway();
  const codes = () => bench.sql.run('SELECT code_hash FROM code WHERE claim = ? AND used_by IS NULL', claim);
  const early = 'e'.repeat(43);
  await bench.say(outside.socket, { type: 'pairing-code', codeHash: early, claim });
  expect(outside.socket.last('pairing-code-ack')).toMatchObject({ codeHash: early });
  await bench.logic.revokeRelayOf(claim);
  await bench.say(outside.socket, { type: 'pairing-code', codeHash: 'l'.repeat(43), claim });
  expect(outside.socket.last('pairing-code-ack')).toMatchObject({ codeHash: early });
  expect(codes()).toEqual([]);
  // What is too old to come late is forgotten.
  bench.now += NODE_CODE_MS;
  await bench.logic.revokeRelayOf(Claim.parse(claim.replace(/1$/, '2')));
  expect(bench.sql.run('SELECT claim FROM gone')).toHaveLength(1);
});

test('[I3] a node that an admin lets in again is still the relay of its machine', async () => {
  const { inside, claim, cluster } = await aGateway();
  const codeHash = 'z'.repeat(43);
  await bench.renew(codeHash);
  const paired = await bench.logic.pair(await bench.request(inside.node, codeHash), 'https://slipway.test');
  expect(paired).toMatchObject({ ok: true, value: { nodeId: inside.node.nodeId } });
  await bench.settle();
  await bench.join(inside.node, 1, 'after');
  expect(cluster.told.at(-1)?.map((relay) => relay.claim)).toContain(claim);
});
