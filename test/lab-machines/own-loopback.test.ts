// Labs run side by side on one host, each in a process of its own: two on one network would take each other's addresses.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ownLoopback } from '../support/own-loopback.ts';

const MODULE = fileURLToPath(new URL('../support/own-loopback.ts', import.meta.url));
const FROM = 200;

const inAnotherProcess = (): number =>
  Number(
    execFileSync(process.execPath, [
      '--input-type=module',
      '--eval',
      `import { ownLoopback } from ${JSON.stringify(MODULE)}; console.log(await ownLoopback(${FROM}))`,
    ]),
  );

test('a network is nobody else’s while its process lives, and free again after it', async () => {
  const here = [await ownLoopback(FROM), await ownLoopback(FROM)];
  const there = inAnotherProcess();
  expect(new Set([...here, there]).size).toBe(3);
  expect(inAnotherProcess()).toBe(there);
});
