// `install --node`: the relay on a gateway's machine, from the files of its document, below a folder that stands for the machine.
import { execFile } from 'node:child_process';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadConfig } from '../../relay/adapters/load-config.ts';
import { createOwnProgram } from '../../relay/adapters/own-program.ts';
import { readConfig } from '../../relay/config.ts';
import { install } from '../../relay/install/install.ts';
import { renderNodeSettings } from '../../relay/install/node-settings.ts';
import { objectName } from '../../shared/ids.ts';
import { makePairingCode } from '../../shared/pairing.ts';
import { type FakeEdge, GATEWAY, SCOPE, startFakeEdge } from '../support/fake-edge.ts';

const MAIN = fileURLToPath(new URL('../../relay/main.ts', import.meta.url));
const TEST_MS_MAX = 60_000;
const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';

let edge: FakeEdge;
let machine: string;
let folder: string;
let printed: string;
beforeEach(async () => {
  edge = await startFakeEdge();
  machine = mkdtempSync(join(tmpdir(), 'slipway-machine-'));
  folder = join(machine, 'var/lib/slipway/relay');
  mkdirSync(folder, { recursive: true });
  printed = '';
  for (const stream of [process.stdout, process.stderr])
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      printed += String(text);
      return true;
    });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await edge.stop();
  rmSync(machine, { recursive: true, force: true });
});

function leave(code: string | null, siteAuthorities: string | null = null): void {
  const proxy = { https: 'http://relay:canary@127.0.0.1:9', http: null, no: ['127.0.0.0/8'] };
  const config = readConfig(
    JSON.stringify({ proxy, enrolment: { authority: 2 }, maasEndpoints: ['http://10.0.0.1:5240/MAAS'] }),
    {},
  );
  if (!config.ok) throw new Error('the settings are wrong');
  const identity = { origin: edge.origin, scope: SCOPE, gatewayId: GATEWAY };
  const text = renderNodeSettings({ config: config.value, siteAuthorities }, identity, '10.0.0.7', '10.0.0.100');
  writeFileSync(join(folder, 'relay.yaml'), text, { mode: 0o600 });
  if (code !== null) writeFileSync(join(folder, 'pairing-code'), code, { mode: 0o600 });
}

const installNode = (): Promise<number> => install(['--node', folder, '--prefix', machine, '--no-start'], {}, MAIN);

test('files in place, paired by the object and the code; again it changes nothing, and needs no code', async () => {
  leave(edge.code, PEM);
  expect(await installNode()).toBe(0);
  expect(edge.pairedWith[0]).toMatchObject({ object: objectName(SCOPE, GATEWAY) });
  const state = join(machine, 'var/lib/slipway-relay');
  const settings = join(machine, 'etc/slipway/relay.yaml');
  expect(statSync(settings).mode & 0o777).toBe(0o640);
  expect(statSync(state).mode & 0o777).toBe(0o700);
  const loaded = await loadConfig({ SLIPWAY_CONFIG: settings, SLIPWAY_ENROLMENT_LISTEN: '127.0.0.7:8443' });
  expect(loaded).toMatchObject({
    ok: true,
    value: {
      siteAuthorities: PEM,
      config: {
        stateDir: state,
        console: edge.origin,
        enrolment: {
          host: '127.0.0.7',
          port: 8_443,
          advertise: ['10.0.0.7:8443', '10.0.0.100:8443'],
          checkSource: true,
          authority: 2,
        },
        maasEndpoints: ['http://10.0.0.1:5240/MAAS'],
        proxy: { https: 'http://relay:canary@127.0.0.1:9', no: ['127.0.0.0/8'] },
      },
    },
  });
  // Root runs what lies in /var/lib/slipway; the relay's user must not write there.
  const unit = readFileSync(join(machine, 'etc/systemd/system/slipway-relay.service'), 'utf8');
  expect(unit).toContain('\nStateDirectory=slipway-relay\n');
  expect(unit).toContain('\nEnvironment=SLIPWAY_STATE_DIR=/var/lib/slipway-relay\n');
  expect(unit).not.toContain('/var/lib/slipway\n');
  expect(printed).not.toContain('canary');

  rmSync(join(folder, 'pairing-code'));
  expect(await installNode()).toBe(0);
  expect([edge.pairings(), printed]).toEqual([1, expect.stringContaining('paired already')]);
});

test('bootstrapped again, its new code makes it the node anew, with the keys it has', async () => {
  leave(edge.code);
  expect(await installNode()).toBe(0);
  leave(await edge.anotherCode());
  expect(await installNode()).toBe(0);
  expect(edge.pairedWith.map(({ identityKey }) => identityKey)).toEqual([
    edge.pairedWith[0]?.identityKey,
    edge.pairedWith[0]?.identityKey,
  ]);
});

test('what is missing is told with what to do: no settings, no code, a code of another console', async () => {
  expect(await installNode()).toBe(1);
  expect(printed).toContain('relay.yaml is not there (CONFIG_UNREADABLE)');
  leave(null);
  expect(await installNode()).toBe(1);
  expect(printed).toContain('(CREDENTIAL_MISSING)');
  leave(makePairingCode(new Uint8Array(20), new Uint8Array(10)));
  expect(await installNode()).toBe(1);
  expect(printed).toContain('(PAIRING_FAILED)');
  expect(await install(['--node', folder, '-c', 'pcg.yaml'], {}, MAIN)).toBe(2);
  expect(printed).toContain('--node takes no --config-file');
});

test(
  'a relay that runs from its sources offers a bundle that runs by itself and installs',
  async () => {
    const program = await createOwnProgram(MAIN)();
    if (!program.ok) throw new Error(program.error.detail);
    expect(program.value).toMatchObject({ kind: 'javascript', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const file = join(machine, 'program.mjs');
    await pipeline(program.value.open(), createWriteStream(file));
    expect(statSync(file).size).toBe(program.value.sizeBytes);
    leave(edge.code);
    const args = [file, 'install', '--node', folder, '--prefix', machine, '--no-start'];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: { PATH: process.env.PATH }, cwd: '/' });
    expect(stdout).toContain('no unit for systemd');
    expect(stdout).toContain('Relay nod_a of gateway rack-one is installed; not started.');
    expect(existsSync(join(machine, 'etc/slipway/relay.yaml'))).toBe(true);
  },
  TEST_MS_MAX,
);
