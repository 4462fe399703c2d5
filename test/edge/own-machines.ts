// A gateway whose installer registers machines through the Worker, and relays on those machines, as far as the edge sees them.
import { expect, vi } from 'vitest';
import type { ClusterState, MachineRecord } from '../../functions/plan/cluster-state.ts';
import { type Claim, claimOf, parseClaim } from '../../shared/claim.ts';
import { AccountId, ClusterId, type GatewayId, objectName, type Scope, SlotId, SystemId } from '../../shared/ids.ts';
import type { Installation, InstallationState } from '../../shared/installation.ts';
import { ACCOUNT } from '../storage/command-samples.ts';
import { ACCOUNT_FACTS, type ApiGateway, pairByApi } from './api-gateway.ts';
import { rewriteState } from './cluster-storage-access.ts';
import { FakeRelay, type Keys, makeKeys, type Node, sha256 } from './fake-relay.ts';

export const MACHINES = {
  size: 1,
  minimums: { cpuCores: 4, memoryMiB: 8_192, diskGB: 60 },
  zones: [],
  podCidr: '10.210.0.0/16',
  serviceCidr: '10.211.0.0/16',
} as const satisfies Installation['machines'];

/** What the installer of this gateway says. The account is called as the gateway's id. */
export function installationOf(gatewayId: GatewayId, machines: Installation['machines'] = MACHINES): Installation {
  const accountId = AccountId.parse(`acc_${gatewayId.slice(3)}`);
  const sealedKey = { ...ACCOUNT.sealedKey, recordId: accountId };
  const access = { ...ACCOUNT, accountId, sealedKey };
  return { account: { name: gatewayId.replace('_', '-'), access, facts: ACCOUNT_FACTS }, machines };
}

/** Says it once and reads the answer. */
export async function register({ relay }: ApiGateway, installation: Installation): Promise<InstallationState> {
  relay.send({ type: 'installation', installation });
  return (await relay.next('installation-state')).state;
}

/** Registers, and gives the cluster that is made of it. */
export async function installed(gateway: ApiGateway, machines: Installation['machines'] = MACHINES) {
  const state = await register(gateway, installationOf(gateway.node.gatewayId, machines));
  expect(state.refused).toBeNull();
  return ClusterId.parse(state.clusterId);
}

export const claimAt = (gatewayId: GatewayId, clusterId: ClusterId, slot = 'gateway-0', attempt = 1): Claim =>
  claimOf({ gatewayId, clusterId, slot: SlotId.parse(slot), attempt });

/** A relay of this gateway makes a code for a machine; resolves when it may be given out. */
export async function makeNodeCode({ relay }: ApiGateway, code: string, claim: Claim): Promise<void> {
  const codeHash = await sha256(code);
  relay.send({ type: 'pairing-code', codeHash, claim });
  expect((await relay.next('pairing-code-ack')).codeHash).toBe(codeHash);
}

/** Keys of a relay that holds the gateway's key too: how it gets there is another test's. */
export const keysLike = async (first: Node): Promise<Keys> => ({ ...(await makeKeys()), sealingKey: first.sealingKey });

/** Pairs the relay of the machine under this claim with a code of its own, and lets it join. */
export async function machineRelay(
  gateway: ApiGateway,
  scope: Scope,
  claim: Claim,
  code: string,
): Promise<{ node: Node; relay: FakeRelay }> {
  await makeNodeCode(gateway, code, claim);
  const keys = await keysLike(gateway.node);
  const { gatewayId, nodeId, commandKey, tunnelPath } = await pairByApi(
    code,
    keys,
    objectName(scope, gateway.node.gatewayId),
  );
  const node = { ...keys, gatewayId, nodeId, commandKey, tunnelPath };
  const relay = await FakeRelay.join(node, 1);
  await relay.next('welcome');
  return { node, relay };
}

/** As if MAAS had given a machine under this claim: what has no machine may have no relay. */
export async function giveMachine(scope: Scope, clusterId: ClusterId, claim: Claim): Promise<void> {
  const parts = parseClaim(claim);
  if (parts === null) throw new Error(`no claim: ${claim}`);
  const { slot, attempt } = parts;
  const change = (state: ClusterState): ClusterState => {
    const at = state.createdAt;
    const held = { systemId: SystemId.parse(`sys-${attempt}`), hostname: `${slot}-${attempt}`, zone: 'default', at };
    const machine: MachineRecord = {
      ...{ claim, slot, pool: 'gateway', role: 'control-plane', attempt, candidates: [], chosenAt: at, held },
      ...{ doubt: null, deploy: null, maas: null, enrolled: null, document: null, steps: [] },
      ...{ readyAt: null, relay: null, revision: null, leaving: null },
    };
    return { ...state, machines: [...state.machines, machine] };
  };
  await rewriteState(clusterId, change, scope);
}

export const until = (look: () => Promise<unknown>) => vi.waitFor(look, { timeout: 4_000, interval: 20 });
