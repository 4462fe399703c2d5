// A machine of a gateway runs a real relay: what is fetched is checked, installed from the document's files, kept running, and
// gone with the power.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { FilledDocument } from '../../shared/enrolment.ts';
import { defaultInventory } from '../lab/inventory.ts';
import type { BootingMachine } from '../lab/machine-driver.ts';
import { type MachineRelay, machineRelay } from '../lab/machines/machine-relay.ts';
import type { RelayClient } from '../lab/machines/relay-client.ts';
import { until } from '../support/until.ts';

/** Stands for the relay: installs by writing settings that say what it was given, runs until it is killed, or ends as told. */
const PROGRAM = `
const { mkdirSync, readFileSync, writeFileSync } = await import('node:fs');
const [verb, , a, , b, last] = process.argv.slice(2);
if (verb === 'install') {
  if (last !== '--no-start') process.exit(2);
  const code = readFileSync(a + '/pairing-code', 'utf8');
  if (code === 'refused') { console.error('the code is refused'); process.exit(1); }
  mkdirSync(b + '/etc/slipway', { recursive: true });
  writeFileSync(b + '/etc/slipway/relay.yaml', JSON.stringify({ code, listen: process.env.SLIPWAY_ENROLMENT_LISTEN, settings: a }));
} else {
  const settings = JSON.parse(readFileSync(process.argv[4], 'utf8'));
  console.log(verb + ' ' + process.pid + ' ' + JSON.stringify(settings));
  if (settings.code === 'ends') process.exit(7);
  setInterval(() => {}, 1000);
}
`;
const DIGEST = createHash('sha256').update(PROGRAM).digest('hex');
const ORIGIN = 'https://127.0.0.1:9443';
const asked: object[] = [];

const relayThatServes = (program: string, announced = ''): Pick<RelayClient, 'program'> => ({
  program: async (from, file) => {
    asked.push(from);
    writeFileSync(file, program);
    return { sha256: createHash('sha256').update(program).digest('hex'), announced, kind: 'javascript' };
  },
});

const documentWith = (code: string): FilledDocument =>
  FilledDocument.parse({
    v: 1,
    nodeName: 'gateway-0',
    files: [
      { path: '/var/lib/slipway/relay/pairing-code', mode: '0600', content: code },
      { path: '/etc/kubernetes/elsewhere', mode: '0644', content: 'not for the relay' },
    ],
    steps: [{ name: 'install-relay', script: 'true', timeoutSeconds: 60 }],
  });

const lines: string[] = [];
const power = new AbortController();
let relay: MachineRelay | null = null;
afterEach(async () => {
  await relay?.powerOff();
  lines.splice(0);
  asked.splice(0);
});

function aRelay(): MachineRelay {
  const [rack] = defaultInventory({ machines: 1 }).machines;
  if (rack === undefined) throw new Error('an inventory of one has one');
  const machine: BootingMachine = {
    ...{ systemId: rack.id, hostname: rack.hostname, fqdn: rack.hostname, address: rack.ip, mac: rack.mac },
    ...{ zone: rack.zone, pool: rack.pool, metadataUrl: '', userData: new Uint8Array() },
    metadataOauth: { consumerKey: '', tokenKey: '', tokenSecret: '' },
    timings: defaultInventory({ machines: 1 }).timings,
  };
  relay = machineRelay(machine, power.signal, (line) => lines.push(line));
  return relay;
}

const runs = (): { pid: number; folder: string }[] =>
  lines.flatMap((line) => {
    const [, pid, settings = ''] = /^run (\d+) .*"settings":"([^"]+)"/.exec(line) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), folder: join(settings, '../../../..') }];
  });

const lives = (pid: number): boolean => existsSync(`/proc/${pid}`);

test('it is installed from the files of the document, runs at the machine’s own address, and is gone with the power', async () => {
  const machine = aRelay();
  const script = `curl ${ORIGIN}/v1/program; echo ${DIGEST}`;
  const done = await machine.install(documentWith('one'), script, { ...unused, ...relayThatServes(PROGRAM) });
  expect(done).toEqual({ exitCode: 0, output: '' });
  expect(asked).toEqual([{ host: '127.0.0.1', port: 9_443 }]);
  const { pid, folder } = await until(5_000, 'the relay to run', () => runs()[0]);
  expect(lines[0]).toContain('"code":"one","listen":"127.10.10.1:8443"');
  const code = join(folder, 'var/lib/slipway/relay/pairing-code');
  expect([readFileSync(code, 'utf8'), statSync(code).mode & 0o777]).toEqual(['one', 0o600]);
  expect(existsSync(join(folder, 'etc/kubernetes'))).toBe(false);
  await machine.powerOff();
  expect([lives(pid), existsSync(folder)]).toEqual([false, false]);
});

test('a program that is not the one the document or the relay itself names is not run', async () => {
  const script = `curl ${ORIGIN}/v1/program; echo ${DIGEST}`;
  const done = await aRelay().install(documentWith('one'), script, { ...unused, ...relayThatServes(`${PROGRAM} `) });
  expect(done).toMatchObject({ exitCode: 1, output: expect.stringContaining(`not ${DIGEST}`) });
  const other = '0'.repeat(64);
  const said = await aRelay().install(documentWith('one'), script, { ...unused, ...relayThatServes(PROGRAM, other) });
  expect(said).toMatchObject({ exitCode: 1, output: expect.stringContaining(`not ${other}`) });
  expect(lines).toEqual([]);
});

test('a relay that ends is started again; one that can’t be installed fails the step with what it says', async () => {
  const machine = aRelay();
  // Upgraded since it served the document: what it says with the program counts.
  const served = { ...unused, ...relayThatServes(PROGRAM, DIGEST) };
  const script = `curl ${ORIGIN}/v1/program; echo ${'0'.repeat(64)}`;
  const refused = await machine.install(documentWith('refused'), script, served);
  expect(refused).toEqual({ exitCode: 1, output: 'the code is refused\n' });
  await machine.install(documentWith('ends'), script, served);
  await until(10_000, 'the second start', () => runs().length >= 2);
  expect(lines).toContain('ended with 7');
});

const refuse = (): Promise<never> => Promise.reject(new Error('only the program is asked for here'));
const unused: RelayClient = { enrol: refuse, turn: refuse, acknowledge: refuse, report: refuse, program: refuse };
