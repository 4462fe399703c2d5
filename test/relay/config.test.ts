import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readConfig } from '../../relay/config.ts';
import { armFailpoint } from '../../relay/failpoint.ts';
import { RELAY_VERSION } from '../../relay/version.ts';

const settingsOf = (file: string | null, environment: Record<string, string>): string[] => {
  const read = readConfig(file, environment);
  return read.ok ? [] : read.error.map(({ setting }) => setting);
};

test('needs nothing but good defaults, and the console names no plain http but on loopback', () => {
  expect(readConfig(null, {})).toMatchObject({
    ok: true,
    value: {
      stateDir: '/var/lib/slipway',
      enrolment: { host: '0.0.0.0', port: 8_443, advertise: [] },
      maasEndpoints: null,
    },
  });
  expect(settingsOf(null, { SLIPWAY_CONSOLE: 'http://slipway.example' })).toEqual(['SLIPWAY_CONSOLE']);
  for (const console of ['https://slipway.example', 'http://127.0.0.1:8787', 'http://localhost:1', 'http://[::1]:1'])
    expect(settingsOf(null, { SLIPWAY_CONSOLE: console })).toEqual([]);
});

test('tells all that is wrong at once, by the name that was written', () => {
  const wrong = {
    SLIPWAY_STATE_DIR: 'relative',
    SLIPWAY_CONSOLE: 'https://slipway.example/path',
    SLIPWAY_ENROLMENT_LISTEN: '0.0.0.0',
    SLIPWAY_ENROLMENT_ADVERTISE: '0.0.0.0:1',
    SLIPWAY_MAAS_ENDPOINTS: 'ftp://maas',
    SLIPWAY_LOG_LEVEL: 'loud',
    HTTPS_PROXY: 'socks5://proxy',
  };
  expect(new Set(settingsOf(null, wrong))).toEqual(new Set(Object.keys(wrong)));
  expect(settingsOf('consol: x\nlogLevel: loud', {})).toEqual(expect.arrayContaining(['logLevel']));
  expect(settingsOf('a: [', {})).toEqual(['settings file']);
});

test('never tells the password in a proxy', () => {
  const read = readConfig(null, { HTTPS_PROXY: 'htp://user:secret@proxy' });
  expect(JSON.stringify(read)).not.toContain('secret');
});

test('reads a file, and the environment wins', () => {
  const file = 'console: https://one.example\nenrolment:\n  listen: 10.0.0.1:7000\nproxy:\n  no: [10.0.0.0/8]\n';
  const read = readConfig(file, {
    SLIPWAY_CONSOLE: 'https://two.example',
    SLIPWAY_ENROLMENT_ADVERTISE: '10.0.0.1:7000, relay.example:7001',
    SLIPWAY_MAAS_ENDPOINTS: 'http://maas:5240',
    https_proxy: 'http://proxy:3128',
  });
  expect(read).toMatchObject({
    ok: true,
    value: {
      console: 'https://two.example',
      enrolment: { host: '10.0.0.1', port: 7_000, advertise: ['10.0.0.1:7000', 'relay.example:7001'] },
      maasEndpoints: ['http://maas:5240/MAAS'],
      proxy: { https: 'http://proxy:3128', no: ['10.0.0.0/8'] },
    },
  });
});

test('a failpoint ends at the pass it names, and a setting that names none is refused', () => {
  let ended = 0;
  const reach = armFailpoint('after-receipt:2', () => {
    ended += 1;
  });
  reach?.('after-receipt');
  reach?.('after-receive');
  expect(ended).toBe(0);
  reach?.('after-receipt');
  reach?.('after-receipt');
  expect(ended).toBe(1);
  for (const wrong of ['nowhere', 'after-receipt:0', 'after-receipt:x'])
    expect(armFailpoint(wrong, () => {})).toBeNull();
});

test('the version is that of the package', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(RELAY_VERSION).toBe(manifest.version);
});

test('an authority is a number from 0 to 99, 0 unless it is set', () => {
  const read = (text: string) => readConfig(null, { SLIPWAY_ENROLMENT_AUTHORITY: text });
  expect(readConfig(null, {})).toMatchObject({ ok: true, value: { enrolment: { authority: 0 } } });
  expect(readConfig('enrolment: { authority: 7 }', {})).toMatchObject({
    ok: true,
    value: { enrolment: { authority: 7 } },
  });
  expect(read('3')).toMatchObject({ ok: true, value: { enrolment: { authority: 3 } } });
  for (const wrong of ['100', '-1', '1.5', 'one'])
    expect(read(wrong), wrong).toMatchObject({ ok: false, error: [{ setting: 'SLIPWAY_ENROLMENT_AUTHORITY' }] });
});
