// What a gateway tells the cluster of its own machines about its relays: numbered, through both objects and over restarts of them.
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { beforeAll, expect, test } from 'vitest';
import { clusterOf, gatewayStub } from '../../functions/env.ts';
import { type ClusterId, objectName, RelayNodeId, type Scope } from '../../shared/ids.ts';
import { type ApiGateway, connectGateway } from './api-gateway.ts';
import { setUp } from './call-api.ts';
import { clusterStub, storedState } from './cluster-storage-access.ts';
import { edgeEnv } from './fake-relay.ts';
import { claimAt, giveMachine, installed, machineRelay, until } from './own-machines.ts';

let admin: string;
let scope: Scope;

beforeAll(async () => {
  ({ key: admin, scope } = await setUp());
});

const objectOf = ({ node }: ApiGateway) => gatewayStub(edgeEnv, scope.jurisdiction, objectName(scope, node.gatewayId));
/** As the gateway's own row has it. */
const countOf = (gateway: ApiGateway) =>
  runInDurableObject(objectOf(gateway), (_instance, { storage }) =>
    storage.sql
      .exec<{ notices: number }>('SELECT notices FROM own')
      .toArray()
      .map(({ notices }) => notices),
  );
const known = async (id: ClusterId) => {
  const { relays, relaysNotice } = await storedState(id, scope);
  return { relays: relays.map(({ claim, connected }) => ({ claim, connected })), relaysNotice };
};

/** A gateway whose machines' cluster has heard of the relay that installs it. */
async function aGateway(name: string): Promise<{ gateway: ApiGateway; id: ClusterId }> {
  const gateway = await connectGateway(admin, name);
  const id = await installed(gateway);
  await until(async () => expect((await known(id)).relays).toEqual([{ claim: null, connected: true }]));
  return { gateway, id };
}

test('[GW4] a notice brings its number to the cluster, and a gateway that was evicted counts on', async () => {
  const { gateway, id } = await aGateway('counts');
  const { relaysNotice } = await known(id);
  expect(relaysNotice).toBeGreaterThan(0);
  expect(await countOf(gateway)).toEqual([relaysNotice]);
  await evictDurableObject(objectOf(gateway));
  const claim = claimAt(gateway.node.gatewayId, id);
  await giveMachine(scope, id, claim);
  const { relay } = await machineRelay(gateway, scope, claim, 'of a machine that is counted');
  await until(async () =>
    expect((await known(id)).relays).toMatchObject([{ claim: null }, { claim, connected: true }]),
  );
  const later = await known(id);
  expect(later.relaysNotice).toBeGreaterThan(relaysNotice);
  expect(await countOf(gateway)).toEqual([later.relaysNotice]);
  relay.hangUp();
});

test('[L9] the letters that bring what a relay saw are numbered, and a gateway that was evicted counts on', async () => {
  const { gateway, id } = await aGateway('numbers');
  const letterAfter = async (seq: number): Promise<number> => {
    const observation = { clusterId: id, at: Date.now(), fact: { kind: 'inventory-changed' as const } };
    gateway.relay.send({ type: 'observations', seq, observations: [observation] });
    expect((await gateway.relay.next('observation-ack')).seq).toBe(seq);
    return (await storedState(id, scope)).letter;
  };
  const first = await letterAfter(1);
  expect(first).toBeGreaterThan(0);
  const second = await letterAfter(2);
  expect(second).toBeGreaterThan(first);
  await evictDurableObject(objectOf(gateway));
  expect(await letterAfter(3)).toBeGreaterThan(second);
});

test('[GW4] of two notices that come in the wrong order the newer stays, also when the cluster was evicted between', async () => {
  const { id } = await aGateway('overtaken');
  const { relaysNotice } = await known(id);
  const tell = (connected: boolean, notice: number) => {
    const relay = { claim: null, nodeId: RelayNodeId.parse('nod_told'), state: 'active' as const, connected };
    return clusterOf(edgeEnv, scope, id).relaysChanged([relay], notice);
  };
  const newest = { relays: [{ claim: null, connected: false }], relaysNotice: relaysNotice + 2 };
  expect(await tell(false, relaysNotice + 2)).toBe(true);
  expect(await known(id)).toEqual(newest);
  await evictDurableObject(clusterStub(id, scope));
  // It is heard, so that nobody sends it again, and changes nothing.
  expect(await tell(true, relaysNotice + 1)).toBe(true);
  expect(await known(id)).toEqual(newest);
  expect(await tell(true, relaysNotice + 3)).toBe(true);
  expect((await known(id)).relays).toEqual([{ claim: null, connected: true }]);
});
