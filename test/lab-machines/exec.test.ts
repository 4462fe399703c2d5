import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { timingsSchema } from '../lab/inventory.ts';
import { createMachineDriver } from '../lab/machines/exec.ts';

const folder = mkdtempSync(join(tmpdir(), 'slipway-exec-test-'));

function program(name: string, body: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/bash\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

const driverFor = (argument: string) =>
  createMachineDriver({ argument, now: () => 0, recordDelay: () => undefined, log: () => undefined });

const machine = {
  systemId: 'abc123',
  hostname: 'node-1',
  fqdn: 'node-1.maas',
  address: '127.10.10.1',
  mac: '52:54:00:00:00:01',
  zone: 'az1',
  pool: 'default',
  metadataUrl: 'http://127.0.0.1:1/MAAS/metadata',
  metadataOauth: { consumerKey: 'ck', tokenKey: 'tk', tokenSecret: 'ts' },
  userData: new TextEncoder().encode('#cloud-config\n'),
  timings: timingsSchema.parse({}),
};

test('the program gets the verb, the machine and everything it needs to boot', async () => {
  const seen = join(folder, 'seen');
  const driver = await driverFor(
    program(
      'good',
      `echo "$1 $2 $SLIPWAY_HOSTNAME $SLIPWAY_ADDRESS $SLIPWAY_MAC $SLIPWAY_METADATA_URL $SLIPWAY_METADATA_CONSUMER_KEY $SLIPWAY_METADATA_TOKEN_KEY $SLIPWAY_METADATA_TOKEN_SECRET $(cat "$SLIPWAY_USER_DATA")" > ${seen}`,
    ),
  );
  expect((await driver.powerOn(machine)).ok).toBe(true);
  expect(readFileSync(seen, 'utf8').trim()).toBe(
    'on abc123 node-1 127.10.10.1 52:54:00:00:00:01 http://127.0.0.1:1/MAAS/metadata ck tk ts #cloud-config',
  );
  await driver.close();
});

test('a program that exits otherwise than 0 is a failed power-on', async () => {
  const driver = await driverFor(program('bad', 'exit 3'));
  expect(await driver.powerOn(machine)).toMatchObject({
    ok: false,
    error: { code: 'DRIVER_FAILED', detail: expect.stringContaining('exit 3') },
  });
});

test('status is off only when the program says so', async () => {
  expect(await (await driverFor(program('off', 'echo off'))).status('abc123')).toBe('off');
  expect(await (await driverFor(program('unsure', 'exit 1'))).status('abc123')).toBe('on');
});

test('without a program it says how to give one', async () => {
  await expect(driverFor('')).rejects.toThrow('--driver exec:PROGRAM');
});
