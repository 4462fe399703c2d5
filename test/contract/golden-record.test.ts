// Records what this version stores and sends, for the versions after it. Runs only when it is asked to, at a release (README):
// SLIPWAY_GOLDEN=0.2.0 npm run test:unit test/contract/golden-record.test.ts
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'vitest';
import { JOURNAL_FILE, openJournal } from '../../relay/journal.ts';
import { Claim } from '../../shared/claim.ts';
import { ClusterId } from '../../shared/ids.ts';
import { ok } from '../../shared/result.ts';
import { World } from '../plan/world.ts';
import { testDisk } from '../relay/memory-ports.ts';
import { aCommand, aRelease, GATEWAY_ID } from '../storage/command-samples.ts';
import { GatewayBench } from '../storage/gateway-bench.ts';
import { aCluster, machines } from '../support/builders.ts';
import { NO_OWN_MACHINES } from '../support/no-own-machines.ts';
import { EDGE_FRAMES, RELAY_FRAMES } from './golden-frames.ts';

const version = process.env.SLIPWAY_GOLDEN;

function write(name: string, content: string | Uint8Array): void {
  const folder = fileURLToPath(new URL(`golden/${version}/`, import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), content);
}
const json = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`;

test('states of clusters, on their way and running', () => {
  const spec = aCluster().withControlPlane(1).withWorkers(1);
  const world = new World(machines(4)).create(spec.accepted());
  world.run(() => world.view.machines.every(({ phase }) => phase === 'deploying'));
  write('cluster-provisioning.json', json(world.state));
  world.runToPhase('running');
  write('cluster-running.json', json(world.state));
  world.delete();
  write('cluster-deleting.json', json(world.state));
  const gateway = new World(machines(2)).create(aCluster().ofGateway(1).accepted());
  gateway.runToPhase('running');
  write('cluster-gateway.json', json(gateway.state));
});

test('the storage of a gateway with machines, commands on their way and a lease', async () => {
  const catalogue = {
    ...NO_OWN_MACHINES.catalogue,
    putAccount: async () => ok(null),
    makeCluster: async () => ok(null),
  };
  const own = NO_OWN_MACHINES.ownCluster;
  const bench = new GatewayBench({
    catalogue,
    ownCluster: (scope, id) => ({ ...own(scope, id), view: async () => null, relaysChanged: async () => true }),
  });
  const socket = await bench.join(await bench.pair());
  await bench.say(socket, { ...RELAY_FRAMES.installation, type: 'installation' });
  const clusterId = socket.last('installation-state')?.state.clusterId;
  const claim = Claim.parse(`slipway/${GATEWAY_ID}/${clusterId}/gateway-0/1`);
  await bench.join(await bench.pairOnMachine(socket, claim));
  await bench.say(socket, { type: 'lease-request', epoch: null });
  await bench.logic.enqueue([aCommand(), aRelease('w-0'), aRelease('w-0', { attempt: 1 })]);
  await bench.settle();
  await bench.receipts(socket);
  const tables = bench.sql.run('SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid');
  const dump = tables
    .filter(({ name }) => name !== 'sqlite_sequence')
    .map(({ name, sql }) => ({
      ...{ name, sql },
      rows: String(sql).startsWith('CREATE TABLE') ? bench.sql.run(`SELECT * FROM ${String(name)}`) : [],
    }));
  write('gateway-storage.json', json(dump));
  const attachments = [socket].map((one) => one.edge.state());
  write('socket-attachments.json', json(attachments));
});

test('the journal of a relay', async () => {
  const disk = testDisk();
  const opened = await openJournal(disk, { now: () => 1_800_000_000_000, monotonicMs: () => 0 });
  if (!opened.ok) throw new Error(opened.error.detail);
  const { journal } = opened.value;
  const [settled, begun, dropped] = [aCommand(), aRelease('w-0'), aRelease('w-1')];
  await journal.nextJoinCounter();
  await journal.raiseGeneration(ClusterId.parse('clu_test'), 3);
  for (const command of [settled, begun, dropped]) await journal.accept(command, `hash of ${command.subject}`);
  await journal.settle(settled.commandId, 'hash', { ok: false, error: { code: 'NO_QUORUM', detail: 'x' } });
  await journal.intend(begun.commandId, 'release');
  await journal.drop(dropped.commandId);
  write('journal.log', disk.files.get(JOURNAL_FILE) ?? '');
});

test('a frame of each type', () => {
  write('frames.json', json({ edge: EDGE_FRAMES, relay: RELAY_FRAMES }));
});
