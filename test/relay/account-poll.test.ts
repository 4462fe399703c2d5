// The shared poll over real HTTP against the lab's MAAS. Its time runs a hundred times as fast.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { allocateById, deploy, release, setAnnotations } from '../../relay/maas/machines.ts';
import type { MaasTransport } from '../../relay/maas/transport.ts';
import { createUndiciTransport, type UndiciTransport } from '../../relay/maas/undici-transport.ts';
import { createAccountPoll } from '../../relay/observe/account-poll.ts';
import { claimOf } from '../../shared/claim.ts';
import { SlotId } from '../../shared/ids.ts';
import type { ClusterFact } from '../../shared/observation.ts';
import { err } from '../../shared/result.ts';
import { defaultInventory } from '../lab/inventory.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { clientOver, machinesThatOnlySwitchOn } from '../relay-maas/lab-site.ts';
import { aSystemId } from '../relay-maas/scripted-maas.ts';
import { GATEWAY } from '../support/fake-edge.ts';
import { CLAIM, CLUSTER } from './commands.ts';
import { hurriedPorts } from './handler-context.ts';
import { testLog } from './memory-ports.ts';

const one = aSystemId('m00000');
const two = aSystemId('m00001');
const OTHER = claimOf({ gatewayId: GATEWAY, clusterId: CLUSTER, slot: SlotId.parse('workers-1'), attempt: 1 });

let lab: Lab;
let network: UndiciTransport;
let isAway: boolean;
let lists: number;
const stops: (() => void)[] = [];

beforeEach(async () => {
  isAway = false;
  lists = 0;
  lab = await startLab({
    inventory: defaultInventory({ machines: 3, timings: { deployMs: 1, powerOnMs: 1, releaseMs: 1, eraseMs: 1 } }),
    driver: machinesThatOnlySwitchOn(new Map()),
  });
  network = createUndiciTransport({ trust: { kind: 'system' }, proxyUrl: null });
});
afterEach(async () => {
  for (const stop of stops.splice(0)) stop();
  await network.close();
  await lab.close();
});

const counted: MaasTransport = async (request) => {
  if (isAway) return err({ code: 'NEVER_SENT', detail: 'refused' });
  if (request.method === 'GET' && request.url.includes('/machines/?')) lists += 1;
  return network.send(request);
};
const maas = () => clientOver({ endpoint: lab.url, apiKey: lab.userKey, transport: counted });

/** What each watch was told of MAAS; its other facts stand in the list by which it is found here. */
const saidOfMaas = new WeakMap<ClusterFact[], string[]>();
const ofMaas = (facts: ClusterFact[]) => saidOfMaas.get(facts) ?? [];

function watching(period = () => 0) {
  const { log, lines } = testLog();
  const poll = createAccountPoll(hurriedPorts(), log, period);
  const first = maas();
  return {
    poll,
    lines,
    watch: (machines: { claim: typeof CLAIM; systemId: typeof one }[], inventory = false, client = first) => {
      const facts: ClusterFact[] = [];
      const ofMaas: string[] = [];
      saidOfMaas.set(facts, ofMaas);
      const emit = (fact: ClusterFact) => {
        if (fact.kind === 'maas') ofMaas.push(fact.failure?.code ?? 'answers');
        else facts.push(fact);
      };
      stops.push(poll.watch(client, { machines, inventory, emit }));
      return facts;
    },
  };
}
const told = (facts: ClusterFact[]) =>
  facts.map((fact) => (fact.kind === 'machine' ? `${fact.facts?.status}${fact.ours ? '' : ' not ours'}` : fact.kind));
const mark = () => setAnnotations(maas(), one, { 'slipway.claim': CLAIM });

test('tells how a machine is at once, each change after it, and nothing twice', async () => {
  await allocateById(maas(), { systemId: one, claim: CLAIM });
  const facts = watching().watch([{ claim: CLAIM, systemId: one }]);
  await expect.poll(() => told(facts)).toEqual(['allocated']);
  await mark();
  await deploy(maas(), { systemId: one, claim: CLAIM, image: 'ubuntu/noble', userData: new Uint8Array([1]) });
  await expect.poll(() => told(facts).at(-1)).toBe('deploying');
  await release(maas(), { systemId: one });
  await expect.poll(() => told(facts).at(-1)).toBe('ready not ours');
  const texts = facts.map((fact) => JSON.stringify(fact));
  expect(new Set(texts).size).toBe(texts.length);
});

test('[L7] a watch after the lead was lost tells again what was told before; one that follows another does not', async () => {
  await allocateById(maas(), { systemId: one, claim: CLAIM });
  let period = 1;
  const { watch } = watching(() => period);
  const first = watch([{ claim: CLAIM, systemId: one }]);
  await expect.poll(() => told(first)).toEqual(['allocated']);
  const end = () => {
    for (const stop of stops.splice(0)) stop();
  };
  end();
  const second = watch([{ claim: CLAIM, systemId: one }]);
  await expect.poll(() => ofMaas(second)).toEqual(['answers']);
  expect(told(second)).toEqual([]);
  end();
  period += 1;
  const third = watch([{ claim: CLAIM, systemId: one }]);
  await expect.poll(() => told(third)).toEqual(['allocated']);
});

test('a machine that is somebody else’s is told without its facts', async () => {
  await allocateById(clientOver({ endpoint: lab.url, apiKey: lab.adminKey, transport: counted }), {
    systemId: one,
    claim: OTHER,
  });
  const facts = watching().watch([{ claim: CLAIM, systemId: one }]);
  await expect.poll(() => facts).toEqual([{ kind: 'machine', claim: CLAIM, systemId: one, ours: false, facts: null }]);
});

test('asks once for all clusters of an account, and no more when the last has left', async () => {
  for (const [systemId, claim] of [
    [one, CLAIM],
    [two, OTHER],
  ] as const)
    await allocateById(maas(), { systemId, claim });
  const { watch } = watching();
  const first = watch([{ claim: CLAIM, systemId: one }]);
  const second = watch([{ claim: OTHER, systemId: two }]);
  await expect.poll(() => [told(first), told(second)]).toEqual([['allocated'], ['allocated']]);
  for (const stop of stops.splice(0)) stop();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const before = lists;
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(lists).toBe(before);
});

test('tells that the Ready machines changed, to who wants to know, and not before they did', async () => {
  const { watch } = watching();
  const wanting = watch([], true);
  const other = watch([], false);
  await expect.poll(() => lists).toBeGreaterThan(0);
  expect(wanting).toEqual([]);
  await allocateById(maas(), { systemId: two, claim: OTHER });
  await expect.poll(() => told(wanting), { timeout: 5_000 }).toEqual(['inventory-changed']);
  expect(other).toEqual([]);
});

test('tells again of a machine that a command touched, though it looks as before', async () => {
  await allocateById(maas(), { systemId: one, claim: CLAIM });
  const { poll, watch } = watching();
  const facts = watch([{ claim: CLAIM, systemId: one }]);
  await expect.poll(() => told(facts)).toEqual(['allocated']);
  poll.touched(one);
  await expect.poll(() => told(facts), { timeout: 5_000 }).toEqual(['allocated', 'allocated', 'allocated']);
});

test('[C10] tells each watch how MAAS is, not of one lost answer, and of an outage once', async () => {
  const { watch } = watching();
  const first = watch([{ claim: CLAIM, systemId: one }]);
  await expect.poll(() => ofMaas(first)).toEqual(['answers']);
  isAway = true;
  await expect.poll(() => ofMaas(first), { timeout: 5_000 }).toEqual(['answers', 'MAAS_UNREACHABLE']);
  const later = watch([{ claim: OTHER, systemId: two }]);
  await expect.poll(() => ofMaas(later), { timeout: 5_000 }).toEqual(['MAAS_UNREACHABLE']);
  isAway = false;
  await expect.poll(() => ofMaas(later), { timeout: 5_000 }).toEqual(['MAAS_UNREACHABLE', 'answers']);
  expect(ofMaas(first)).toEqual(['answers', 'MAAS_UNREACHABLE', 'answers']);
});

test('[C10] a failure that is over with the next pass is not told', async () => {
  const { watch, lines } = watching();
  isAway = true;
  const facts = watch([{ claim: CLAIM, systemId: one }]);
  await expect.poll(() => lines.length).toBe(1);
  isAway = false;
  await expect.poll(() => ofMaas(facts), { timeout: 5_000 }).toEqual(['answers']);
});

test('[C10] a revoked key is told, and a new one is tried at once', async () => {
  const { watch } = watching();
  const facts = watch([{ claim: CLAIM, systemId: one }]);
  await expect.poll(() => ofMaas(facts)).toEqual(['answers']);
  lab.faults.denyKey(lab.userKey);
  await expect.poll(() => ofMaas(facts), { timeout: 5_000 }).toEqual(['answers', 'MAAS_UNAUTHORIZED']);
  const renewed = watch([], false, clientOver({ endpoint: lab.url, apiKey: lab.adminKey, transport: counted }));
  await expect.poll(() => ofMaas(renewed)).toEqual(['answers']);
  expect(ofMaas(facts).at(-1)).toBe('answers');
});

test('waits for a MAAS that is away, says so once, and goes on', async () => {
  isAway = true;
  const { watch, lines } = watching();
  const facts = watch([{ claim: CLAIM, systemId: one }]);
  await expect.poll(() => lines.length).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 500));
  isAway = false;
  await expect.poll(() => told(facts), { timeout: 5_000 }).toEqual(['ready not ours']);
  expect(lines.map((line) => JSON.parse(line).event)).toEqual(['maas-does-not-answer', 'maas-answers-again']);
});
