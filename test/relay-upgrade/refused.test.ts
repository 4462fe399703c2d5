// What is not the release key's, not newer, or not what the release names, is not run. The handler with a real store, over HTTP.
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createFetchProgram } from '../../relay/adapters/fetch-program.ts';
import { openDisk } from '../../relay/adapters/node-disk.ts';
import { createNodePorts } from '../../relay/adapters/node-ports.ts';
import { openProgramStore } from '../../relay/adapters/program-store.ts';
import type { CommandContext } from '../../relay/commands/handler.ts';
import { ensureRelayProgram } from '../../relay/commands/relay-program.ts';
import { createLog } from '../../relay/log.ts';
import type { Successor } from '../../relay/program/former-talk.ts';
import { openProgramBook } from '../../relay/program/program-book.ts';
import { createProgramExchange, type ExchangeParts } from '../../relay/program/program-exchange.ts';
import { verifySignature } from '../../relay/vault.ts';
import { CommandBody } from '../../shared/command.ts';
import type { SignedRelease } from '../../shared/release.ts';
import { err } from '../../shared/result.ts';
import { commandOf } from '../relay/commands.ts';
import { type FakeEdge, startFakeEdge } from '../support/fake-edge.ts';
import { makeReleaseKey, manifestOf, serve } from './release-bench.ts';

const PROGRAM = Buffer.alloc(200_000, 'a program');
const key = await makeReleaseKey();
const log = createLog(
  () => {},
  () => '',
  'error',
  {},
);

let edge: FakeEdge;
let folder: string;
let started: string[];
beforeEach(async () => {
  edge = await startFakeEdge();
  folder = await mkdtemp(join(tmpdir(), 'slipway-store-'));
  started = [];
});
afterEach(async () => {
  await edge.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A new program that ends at once: what is told of it is that it was started. */
const ended: Successor = {
  hear: () => {},
  say: () => {},
  ended: Promise.resolve('status 1'),
  signal: () => {},
};

async function ask(release: SignedRelease, more: Partial<ExchangeParts> = {}, deadlineMs = 60_000) {
  const ports = createNodePorts(() => {});
  const disk = await openDisk(folder);
  const book = disk.ok ? await openProgramBook(disk.value) : disk;
  if (!book.ok) throw new Error(book.error.detail);
  const exchange = createProgramExchange({
    ...{ version: '0.2.0', platform: 'javascript', releaseKey: key.publicKey, isWatched: false },
    verify: verifySignature,
    ...{ origin: edge.origin, store: openProgramStore(folder), book: book.value, log },
    fetchProgram: createFetchProgram({ https: null, http: null, no: [] }, [], 'test'),
    start: ({ version }) => {
      started.push(version);
      return ended;
    },
    trial: { counters: { lend: async () => err({ detail: '' }) }, timers: ports.timers, trialMs: 5_000 },
    handOver: () => {},
    ...more,
  });
  const command = commandOf(
    { verb: 'ensure-relay-program', release },
    { clusterId: null, subject: 'node', deadlineAt: Date.now() + deadlineMs },
  );
  const body = CommandBody.parse(command.body);
  if (body.verb !== 'ensure-relay-program') throw new Error('another verb');
  const unused = (): never => {
    throw new Error('not of this handler');
  };
  const context: CommandContext = {
    ...{ command, ports, log, signal: new AbortController().signal },
    ...{ openSecret: unused, sealSecret: unused, maas: unused, fence: unused, beforeChange: unused },
    late: { unanswered: unused, took: unused },
    emit: unused,
  };
  return ensureRelayProgram(exchange)(body, context);
}
const newer = async (program = PROGRAM): Promise<SignedRelease> => key.sign(manifestOf('0.3.0', program));
const refused = (code: string, detail: string | RegExp) => ({
  ok: false,
  error: { code, detail: expect.stringMatching(detail) },
});

test('[U1] what the pinned release key did not sign is not even fetched', async () => {
  serve(edge, '0.3.0', PROGRAM);
  const other = await makeReleaseKey();
  const text = manifestOf('0.3.0', PROGRAM);
  expect(await ask(await other.sign(text))).toMatchObject(refused('RELEASE_UNTRUSTED', /did not sign/));
  const { signature } = await key.sign(text);
  const altered = { manifest: text.replace('"low"', '"high"'), signature };
  expect(await ask(altered)).toMatchObject(refused('RELEASE_UNTRUSTED', /did not sign/));
  expect(await ask(await key.sign(text), { releaseKey: null })).toMatchObject(
    refused('RELEASE_UNTRUSTED', /SLIPWAY_RELEASE_KEY/),
  );
  expect([edge.fetched, started]).toEqual([[], []]);
});

test('[U1] an older release is refused, whoever signed it; [U2] the one that runs is answered at once', async () => {
  const older = manifestOf('0.1.9', PROGRAM);
  expect(await ask(await key.sign(older))).toMatchObject(refused('RELEASE_OLDER', /0\.2\.0 runs here/));
  const same = await key.sign(manifestOf('0.2.0', PROGRAM));
  expect(await ask(same)).toEqual({ ok: true, value: { verb: 'ensure-relay-program', version: '0.2.0' } });
  expect([edge.fetched, started]).toEqual([[], []]);
});

test('a release without a program for this platform, or that the console does not give out, is unavailable', async () => {
  const foreign = await key.sign(manifestOf('0.3.0', PROGRAM, 'linux-arm64'));
  expect(await ask(foreign)).toMatchObject(refused('RELEASE_UNAVAILABLE', /no program for javascript/));
  expect(await ask(await key.sign('{"v":2}'))).toMatchObject(refused('RELEASE_UNAVAILABLE', /form/));
  expect(await ask(await newer())).toMatchObject(refused('RELEASE_UNAVAILABLE', /status 404/));
  expect(started).toEqual([]);
});

const OTHER_BYTES: readonly [string, Buffer, RegExp][] = [
  ['tampered', Buffer.concat([PROGRAM.subarray(1), Buffer.from('!')]), /SHA-256/],
  ['too long', Buffer.concat([PROGRAM, PROGRAM]), /more than the 200000 bytes/],
  ['truncated', PROGRAM.subarray(0, 150_000), /150000 bytes/],
];
test.for(OTHER_BYTES)('[U1] a program that is %s is not run, and does not stay', async ([, bytes, words]) => {
  serve(edge, '0.3.0', bytes);
  expect(await ask(await newer())).toMatchObject(refused('RELEASE_UNTRUSTED', words));
  expect([edge.fetched.length, started]).toEqual([1, []]);
  expect(await readdir(join(folder, 'programs', '0.3.0'))).toEqual([]);
});

test('no more is read of a program than its release names', async () => {
  let sent = 0;
  serve(edge, '0.3.0', (response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(PROGRAM)) sent += PROGRAM.length;
    };
    response.on('drain', more);
    more();
  });
  expect(await ask(await newer())).toMatchObject(refused('RELEASE_UNTRUSTED', /more than/));
  // What the sockets of both sides hold.
  expect(sent).toBeLessThan(20_000_000);
});

test('a fetch that is cut is begun again; what is there whole is looked at again, and not fetched', async () => {
  let tries = 0;
  serve(edge, '0.3.0', (response) => {
    tries += 1;
    if (tries === 2) return void response.end(PROGRAM);
    response.writeHead(200, { 'content-length': PROGRAM.length });
    response.write(PROGRAM.subarray(0, 100_000), () => response.destroy());
  });
  const rolledBack = refused('RELEASE_ROLLED_BACK', /ended before it was welcomed/);
  expect(await ask(await newer())).toMatchObject(rolledBack);
  expect(await ask(await newer())).toMatchObject(rolledBack);
  expect([tries, started]).toEqual([2, ['0.3.0', '0.3.0']]);
  const file = join(folder, 'programs', '0.3.0', 'slipway-relay.mjs');
  expect([(await stat(file)).mode & 0o777, (await readFile(file)).equals(PROGRAM)]).toEqual([0o400, true]);
});

test('the store keeps what was accepted and what is on trial, and nothing else', async () => {
  serve(edge, '0.3.0', PROGRAM);
  serve(edge, '0.4.0', PROGRAM);
  await ask(await newer());
  await ask(await key.sign(manifestOf('0.4.0', PROGRAM)));
  expect(await readdir(join(folder, 'programs'))).toEqual(['0.4.0']);
});

test('a program whose hand-over failed is not tried again by the same command', async () => {
  serve(edge, '0.3.0', PROGRAM);
  const release = await newer();
  const disk = await openDisk(folder);
  const book = disk.ok ? await openProgramBook(disk.value) : disk;
  if (!book.ok) throw new Error(book.error.detail);
  const { commandId } = commandOf({ verb: 'ensure-relay-program', release }, { clusterId: null, subject: 'node' });
  const [program] = JSON.parse(release.manifest).programs;
  await book.value.begin(commandId, { ...program, version: '0.3.0' });
  await book.value.fail('it had no heartbeat');
  expect(await ask(release)).toMatchObject(refused('RELEASE_ROLLED_BACK', /no heartbeat/));
  // A relay that is ended again and again in the middle of it: after three times that counts as the program's doing.
  for (const tries of [1, 2, 3]) {
    await book.value.begin(commandId, { ...program, version: '0.3.0' });
    if (tries === 1) await book.value.fail('it had no heartbeat');
  }
  expect(await ask(release)).toMatchObject(refused('RELEASE_ROLLED_BACK', /ended 3 times/));
  expect(started).toEqual([]);
});
