// MAAS answers after seconds, and meanwhile a person and another claim have been at the machine. Real HTTP against the lab.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Handler } from '../../relay/commands/handler.ts';
import { createMachineHandlers } from '../../relay/commands/machines.ts';
import type { MaasClient } from '../../relay/maas/client.ts';
import { allocateById, release, setAnnotations } from '../../relay/maas/machines.ts';
import type { MaasTransport } from '../../relay/maas/transport.ts';
import { createUndiciTransport, type UndiciTransport } from '../../relay/maas/undici-transport.ts';
import { CLAIM_ANNOTATION, claimOf } from '../../shared/claim.ts';
import type { Command, Verb } from '../../shared/command.ts';
import { defaultInventory } from '../lab/inventory.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { clientOver, machinesThatOnlySwitchOn } from '../relay-maas/lab-site.ts';
import { aSystemId } from '../relay-maas/scripted-maas.ts';
import { GATEWAY } from '../support/fake-edge.ts';
import { ACCOUNT, allocateBody, CLAIM, CLUSTER, commandOf, SLOT } from './commands.ts';
import { handlerContext } from './handler-context.ts';

const [one, two] = [aSystemId('m00000'), aSystemId('m00001')];
const OTHER = claimOf({ gatewayId: GATEWAY, clusterId: CLUSTER, slot: SLOT, attempt: 2 });
const handlers = createMachineHandlers({
  dial: {
    etcd: () => {
      throw new Error('no command here has a seat in etcd');
    },
  },
  userDataFor: () => new TextEncoder().encode('#cloud-config\n'),
  touched: () => {},
});

let lab: Lab;
let network: UndiciTransport;
let elapsedMs = 0;

beforeEach(async () => {
  elapsedMs = 0;
  lab = await startLab({
    inventory: defaultInventory({ machines: 2, timings: { deployMs: 1, powerOnMs: 1, releaseMs: 1, eraseMs: 1 } }),
    driver: machinesThatOnlySwitchOn(new Map()),
  });
  network = createUndiciTransport({ trust: { kind: 'system' }, proxyUrl: null });
});
afterEach(async () => {
  await network.close();
  await lab.close();
});

const clientBy = (transport: MaasTransport): MaasClient =>
  clientOver({ endpoint: lab.url, apiKey: lab.userKey, transport });
const others = () => clientBy(network.send);

/** The answer to `op` takes `ms`, in which `meanwhile` happens. */
function slow(op: string, ms: number, meanwhile: () => Promise<void>): MaasClient {
  return clientBy(async (request) => {
    const answer = await network.send(request);
    if (!request.url.includes(`op=${op}`)) return answer;
    await meanwhile();
    elapsedMs += ms;
    return answer;
  });
}

/** A person gives it back, and another claim gets it. */
async function changesHands(): Promise<void> {
  await release(others(), { systemId: one });
  await expect.poll(() => lab.region.machines.get(one)?.status).toBe('Ready');
  await allocateById(others(), { systemId: one, claim: OTHER });
  await setAnnotations(others(), one, { [CLAIM_ANNOTATION]: OTHER });
}

async function run<V extends Verb>(handler: Handler<V>, command: Command, maas: MaasClient) {
  const context = handlerContext(command, maas);
  const clock = { ...context.ports.clock, monotonicMs: () => elapsedMs };
  const answer = await handler(command.body as Parameters<Handler<V>>[0], {
    ...context,
    ports: { ...context.ports, clock },
  });
  return { answer, changes: context.changes };
}
const allocate = (maas: MaasClient) =>
  run(handlers['ensure-allocated'], commandOf(allocateBody(ACCOUNT, [one, two])), maas);
const deploy = (maas: MaasClient) => {
  const order = { verb: 'ensure-deployed', account: ACCOUNT, claim: CLAIM, image: 'ubuntu/noble', hweKernel: null };
  return run(handlers['ensure-deployed'], commandOf({ ...order, systemId: one, enrolUntil: 9_000_000_000_000 }), maas);
};
const claimIn = () => lab.region.machines.get(one)?.annotations;

test('[C15] [I4] a machine that changed hands before MAAS had answered is not marked, and the next candidate is taken', async () => {
  const { answer, changes } = await allocate(slow('allocate', 6_000, changesHandsOnce()));
  expect(answer).toMatchObject({ ok: true, value: { machine: { systemId: two, claim: CLAIM } } });
  expect(changes).not.toContain(`annotate ${one}`);
  expect(claimIn()).toMatchObject({ [CLAIM_ANNOTATION]: OTHER });
});

/** Every allocate is slow; hands change during the first. */
function changesHandsOnce(): () => Promise<void> {
  let done = false;
  return async () => {
    if (done) return;
    done = true;
    await changesHands();
  };
}

test('[C15] an answer that took long is kept when the machine is still ours', async () => {
  const { answer } = await allocate(slow('allocate', 20_000, async () => {}));
  expect(answer).toMatchObject({ ok: true, value: { machine: { systemId: one, claim: CLAIM } } });
  const deployed = await deploy(slow('deploy', 20_000, async () => {}));
  expect(deployed.answer).toMatchObject({ ok: true, value: { machine: { systemId: one, status: 'deploying' } } });
});

test('[C15] [I4] a machine that changed hands before its deploy was answered is nobody’s to mark', async () => {
  await allocate(others());
  const { answer } = await deploy(slow('deploy', 6_000, changesHands));
  expect(answer).toMatchObject({ ok: false, error: { code: 'NOT_OURS' } });
  expect(claimIn()).toMatchObject({ [CLAIM_ANNOTATION]: OTHER });
});
