// A gateway of several relays as a machine finds it: the virtual address on a standby, relays that have moved or been replaced
// since the machine was deployed. The real script, bash and curl, against real endpoints on loopback addresses.
import { afterEach, expect, test } from 'vitest';
import { makeClusterIdentity } from '../../relay/bootstrap/cluster-identity.ts';
import { ensureBootstrap } from '../../relay/commands/bootstrap.ts';
import { relaysTold } from '../../relay/enrolment/relays-told.ts';
import { makeToken } from '../../relay/enrolment/token.ts';
import {
  CLAIM,
  contextFor,
  type EnrolmentBench,
  KEY,
  playKubernetes,
  realPorts,
  SYSTEM_ID,
  speak,
  startBench,
} from './bench.ts';
import { aDocument, bootstrapBody } from './documents.ts';
import { layOutMachine, type Machine } from './machine.ts';

const identity = await makeClusterIdentity('edge-1', Date.now());
/** Held by one node at a time. */
const VIRTUAL = '127.0.0.40';
const ORDER = { claim: CLAIM, systemId: SYSTEM_ID, enrolUntil: Date.now() + 3_600_000 };
const DOCUMENT = aDocument({ files: [], steps: [{ name: 'only', script: 'true', timeoutSeconds: 10 }] });

const benches: EnrolmentBench[] = [];
const machines: Machine[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.close();
  for (const machine of machines.splice(0)) await machine.remove();
});

/** All of one gateway: the same key and, by the same files, the same authority. */
const files = new Map<string, Uint8Array>();
async function relay(given: Parameters<typeof startBench>[0]): Promise<EnrolmentBench> {
  const bench = await startBench({ files: new Map(files), ...given });
  const tls = bench.files.get('enrolment-tls.json');
  if (tls !== undefined) files.set('enrolment-tls.json', tls);
  benches.push(bench);
  return bench;
}

async function machineOf(userData: string): Promise<Machine> {
  const machine = await layOutMachine(userData);
  machines.push(machine);
  return machine;
}

function give(bench: EnrolmentBench) {
  const body = bootstrapBody(identity, DOCUMENT);
  const dial = { kubernetes: () => playKubernetes({}) };
  return ensureBootstrap({ turns: bench.turns, ledger: bench.ledger, dial })(body, contextFor(body, realPorts()));
}

const outcomes = (bench: EnrolmentBench) =>
  bench.facts.flatMap((fact) => (fact.kind === 'step' ? [`${fact.step} ${fact.outcome}`] : []));

test('[E2] a machine that knows the virtual address only enrols with the leader, which is another node than the one that has it', async () => {
  const leader = await relay({ host: '127.0.0.41' });
  const told = [`127.0.0.41:${leader.port}`];
  const standby = await relay({ host: VIRTUAL, isActive: false, relays: () => told });
  const machine = await machineOf(standby.userDataFor(ORDER));
  const held = give(leader);
  expect((await machine.run('run')).status).toBe(0);
  expect((await held).ok).toBe(true);
  expect(outcomes(leader).at(-1)).toBe('bootstrap succeeded');
  expect(outcomes(standby)).toEqual([]);
});

test('[E2] after the virtual address has moved and every relay of before is gone, it finds the one that leads now', async () => {
  const before = await relay({ host: VIRTUAL, isActive: false, relays: () => ['127.0.0.42:9'] });
  const { port } = before;
  const machine = await machineOf(before.userDataFor(ORDER));
  const { ended } = machine.start();
  await expect.poll(() => before.facts.map(({ kind }) => kind), { timeout: 15_000 }).toContain('enrolled');
  await before.close();
  const leader = await relay({ host: '127.0.0.43' });
  await relay({ host: VIRTUAL, port, isActive: false, relays: () => [`127.0.0.43:${leader.port}`] });
  void give(leader);
  expect(await ended).toBe(0);
  expect(outcomes(leader).at(-1)).toBe('bootstrap succeeded');
}, 60_000);

test('[E2] a relay that has moved is found at its new address, and one that the machine has itself is no way to it', async () => {
  const leader = await relay({ host: '127.0.0.44' });
  // The stand-in for `ip` gives the machine 127.0.0.1: there its own relay serves by now, and knows nothing of it.
  const own = await relay({ host: '127.0.0.1', isActive: false });
  const told = () => [`127.0.0.1:${own.port}`, `127.0.0.44:${leader.port}`];
  const moved = await relay({ host: '127.0.0.45', isActive: false, relays: told });
  const machine = await machineOf(moved.userDataFor(ORDER));
  void give(leader);
  expect((await machine.run('run')).status).toBe(0);
  expect(outcomes(leader).at(-1)).toBe('bootstrap succeeded');
  expect(own.facts).toEqual([]);
});

test('[E2] it is told with every answer to a good token, and to nobody else', async () => {
  const on = await relay({ isActive: false, relays: () => ['10.0.0.1:8443', 'relay.example:8443', '10.0.0.1:8443'] });
  const token = makeToken(KEY, ORDER);
  const hello = { claim: CLAIM, systemId: SYSTEM_ID, interfaces: [{ name: 'eth0', address: '127.0.0.1' }] };
  const enrolled = await speak(on, 'POST', '/v1/enrol', { token, body: hello });
  const waiting = await speak(on, 'GET', '/v1/bootstrap', { token });
  const forged = await speak(on, 'GET', '/v1/bootstrap', { token: `${token}a` });
  expect([enrolled, waiting, forged].map(({ status, headers }) => [status, headers['x-slipway-relays']])).toEqual([
    [204, '10.0.0.1:8443 relay.example:8443'],
    [204, '10.0.0.1:8443 relay.example:8443'],
    [401, undefined],
  ]);
});

test('nothing that a header or bash could read as its own is told, and never more than 32', () => {
  expect(relaysTold(['10.0.0.1:8443', '$(id):1', 'a b:1', "x';:1", 'h:1\r\nset-cookie: x', '[::1]:8443', '*:1'])).toBe(
    '10.0.0.1:8443',
  );
  const many = Array.from({ length: 99 }, (_, index) => `10.0.0.${index}:1`);
  expect(relaysTold(many).split(' ')).toHaveLength(32);
});
