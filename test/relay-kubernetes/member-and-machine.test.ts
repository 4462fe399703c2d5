// What the relay looks at directly before a member leaves etcd or goes back to MAAS: the lab's MAAS and a scripted etcd, both over
// real HTTP.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createMachineHandlers } from '../../relay/commands/machines.ts';
import { ensureMemberRemoved } from '../../relay/commands/members.ts';
import { createEtcdApi } from '../../relay/kubernetes/etcd-members.ts';
import { allocateById, deploy, release } from '../../relay/maas/machines.ts';
import type { MaasTransport } from '../../relay/maas/transport.ts';
import { createUndiciTransport } from '../../relay/maas/undici-transport.ts';
import { claimOf } from '../../shared/claim.ts';
import { AccountAccess, type BodyOf, type CommandBody } from '../../shared/command.ts';
import { ClusterId, SlotId } from '../../shared/ids.ts';
import { ok } from '../../shared/result.ts';
import { defaultInventory } from '../lab/inventory.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { ACCOUNT } from '../relay/commands.ts';
import { hurriedPorts } from '../relay/handler-context.ts';
import { contextFor } from '../relay-bootstrap/bench.ts';
import { clientOver, machinesThatOnlySwitchOn } from '../relay-maas/lab-site.ts';
import { aSystemId } from '../relay-maas/scripted-maas.ts';
import { GATEWAY } from '../support/fake-edge.ts';
import { accessTo, createEnding, identity } from './cluster-bench.ts';
import { type Played, playEtcd, three } from './scripted-etcd.ts';

const CLUSTER = ClusterId.parse('clu_1');
const claimAt = (slot: string) =>
  claimOf({ gatewayId: GATEWAY, clusterId: CLUSTER, slot: SlotId.parse(slot), attempt: 1 });
const MACHINES = ['cp-0', 'cp-1', 'cp-2'].map((name, index) => ({
  claim: claimAt(name),
  systemId: aSystemId(`m0000${index}`),
}));
const [first, second, third] = MACHINES as [Machine, Machine, Machine]; // three in, three out
type Machine = (typeof MACHINES)[number];
const seat = { access: accessTo('https://127.0.0.1:6443'), memberName: 'cp-2', peers: ['127.0.0.21', '127.0.0.22'] };

const account = AccountAccess.parse(ACCOUNT);

const ending = createEnding();
let lab: Lab;
let members: Played[];
let port: number;
/** Called before MAAS hears of a release; true when it answers with an error instead. */
let onRelease: () => boolean;

beforeEach(async () => {
  onRelease = () => false;
  lab = await startLab({
    inventory: defaultInventory({ machines: 3, timings: { deployMs: 1, powerOnMs: 1, releaseMs: 1, eraseMs: 1 } }),
    driver: machinesThatOnlySwitchOn(new Map()),
  });
  ending.add(() => lab.close());
  for (const { claim, systemId } of MACHINES) {
    await allocateById(maas(), { systemId, claim });
    await deploy(maas(), { systemId, claim, image: 'ubuntu/noble', userData: new Uint8Array([1]) });
    // Nothing boots here: MAAS is told that it did.
    setStatus({ claim, systemId }, 'Deployed');
  }
  members = three().map((member) => ({ ...member, up: true }));
  port = await playEtcd(ending, members);
});
afterEach(() => ending.run());

function maas() {
  const network = createUndiciTransport({ trust: { kind: 'system' }, proxyUrl: null });
  ending.add(() => network.close());
  const transport: MaasTransport = async (request) => {
    if (!request.url.includes('op=release') || !onRelease()) return network.send(request);
    return ok({ status: 500, headers: {}, body: 'a database conflict' });
  };
  return clientOver({ endpoint: lab.url, apiKey: lab.userKey, transport });
}

const dial = { etcd: () => createEtcdApi(identity, hurriedPorts().clock, port) };
const contextOf = (body: CommandBody) => ({ ...contextFor(body, hurriedPorts()), maas: async () => ok(maas()) });

async function giveBack(more: Partial<BodyOf<'ensure-released'>> = { seat }) {
  const handlers = createMachineHandlers({ dial, userDataFor: () => new Uint8Array(), touched: () => {} });
  const body = { verb: 'ensure-released' as const, account, ...third, erase: 'none' as const, ...more };
  const context = contextOf(body);
  return { answer: await handlers['ensure-released'](body, context), intents: context.intents };
}

async function remove(more: Partial<BodyOf<'ensure-member-removed'>>) {
  const body = { verb: 'ensure-member-removed' as const, ...seat, ...more };
  const context = contextOf(body);
  return { answer: await ensureMemberRemoved(dial)(body, context), intents: context.intents };
}
const staying = { account, machines: [first, second] };
const status = ({ systemId }: Machine) => lab.region.machines.get(systemId)?.status;
function setStatus({ systemId }: Machine, is: 'Deployed' | 'Releasing' | 'Broken'): void {
  const machine = lab.region.machines.get(systemId);
  if (machine === undefined) throw new Error(`there is no ${systemId}`);
  machine.status = is;
}

test('a member of etcd is not given back', async () => {
  const { answer, intents } = await giveBack();
  expect(answer).toMatchObject({ ok: false, error: { code: 'STILL_MEMBER', detail: /cp-2 is a member/ } });
  expect([status(third), intents.filter((intent) => intent.startsWith('release'))]).toEqual(['Deployed', []]);
  members.pop();
  expect((await giveBack()).answer).toMatchObject({ ok: true });
  expect(status(third)).toBe('Ready');
});

test('etcd is asked before each call, not before the first alone', async () => {
  const member = members.pop();
  let calls = 0;
  onRelease = () => {
    calls += 1;
    if (member !== undefined) members.push(member);
    return true;
  };
  const { answer } = await giveBack();
  expect(answer).toMatchObject({ ok: false, error: { code: 'STILL_MEMBER' } });
  expect([status(third), calls]).toEqual(['Deployed', 1]);
});

test('nothing is given back while etcd does not say', async () => {
  const { answer } = await giveBack({ seat: { ...seat, peers: ['127.0.0.99'] } });
  expect(answer).toMatchObject({ ok: false, error: { code: 'KUBERNETES_UNREACHABLE' } });
  expect(status(third)).toBe('Deployed');
});

test('what MAAS is taking back already is not asked for again, whatever etcd says', async () => {
  setStatus(third, 'Releasing');
  expect((await giveBack()).answer).toMatchObject({ ok: true, value: { machines: [{ status: 'releasing' }] } });
});

test('a member that serves leaves etcd only while MAAS has those that stay', async () => {
  await release(maas(), { systemId: first.systemId });
  const refused = await remove({ staying });
  expect(refused.answer).toMatchObject({
    ok: false,
    error: { code: 'NO_QUORUM', detail: /m00000, which has to stay/ },
  });
  expect([refused.intents, members.length]).toEqual([[], 3]);
  setStatus(second, 'Broken');
  const broken = await remove({ staying: { ...staying, machines: [second] } });
  expect(broken.answer).toMatchObject({
    ok: false,
    error: { code: 'NO_QUORUM', detail: /m00001.* is broken in MAAS/ },
  });
  expect((await remove({})).answer).toMatchObject({ ok: true, value: { existed: true } });
});

test('with all that stay in MAAS it goes', async () => {
  const { answer, intents } = await remove({ staying });
  expect(answer).toMatchObject({ ok: true, value: { existed: true } });
  expect([intents, members.length]).toEqual([['remove etcd member cp-2 (18249187646912138824)'], 2]);
});
