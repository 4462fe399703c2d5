// What a relay gives the machines of its own gateway: the program, its digest, settings, authority and a code, in their document.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import { makeClusterIdentity } from '../../relay/bootstrap/cluster-identity.ts';
import { ensureBootstrap } from '../../relay/commands/bootstrap.ts';
import type { RelayOffer } from '../../relay/enrolment/relay-offer.ts';
import { makeToken } from '../../relay/enrolment/token.ts';
import { FilledDocument } from '../../shared/enrolment.ts';
import { makePairingCode } from '../../shared/pairing.ts';
import { err, ok } from '../../shared/result.ts';
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
} from '../relay-bootstrap/bench.ts';
import { aDocument, bootstrapBody } from '../relay-bootstrap/documents.ts';

const HOUR_MS = 3_600_000;
const identity = await makeClusterIdentity('edge-1', Date.now());
const CODE = makePairingCode(new Uint8Array(20), new Uint8Array(10));
const PROGRAM = Buffer.alloc(3_000_000, 'slipway');
const SHA256 = createHash('sha256').update(PROGRAM).digest('hex');
const DOCUMENT = aDocument({
  files: [
    { path: '/var/lib/slipway/relay/pairing-code', mode: '0600', content: '{{secret:relay-pairing-code}}' },
    { path: '/var/lib/slipway/relay/relay.yaml', mode: '0600', content: '{{secret:relay-settings}}' },
    { path: '/var/lib/slipway/relay/authority.pem', mode: '0600', content: '{{fact:relay-authority}}' },
  ],
  steps: [
    {
      name: 'install-relay',
      script: '{{fact:relay-origin}} {{fact:relay-program-sha256}} {{fact:relay-program-architecture}}',
      timeoutSeconds: 5,
    },
  ],
});

const open: EnrolmentBench[] = [];
afterEach(async () => {
  for (const bench of open.splice(0)) await bench.close();
});

type Book = { minted: string[]; read: number; codeTaken: boolean };
function offerOf(book: Book): RelayOffer {
  return {
    mintPairingCode: async (claim) => {
      book.minted.push(claim);
      return book.codeTaken ? ok(CODE) : err({ detail: 'not taken' });
    },
    settingsFor: (address, virtual) => `settings for ${address} and ${virtual}`,
    authorityPem: async (serverName) => `the authority of ${serverName}`,
    addresses: () => ['10.0.0.9:8443', '127.0.0.1:8443'],
    program: async () => {
      book.read += 1;
      const open = () => Readable.from([PROGRAM]);
      return ok({ kind: 'executable', sizeBytes: PROGRAM.length, sha256: SHA256, architecture: 'x86_64', open });
    },
  };
}

async function served(offer: RelayOffer | undefined, document = DOCUMENT, virtual = '10.0.0.100') {
  const on = await startBench(offer === undefined ? {} : { offer });
  open.push(on);
  const token = makeToken(KEY, { claim: CLAIM, systemId: SYSTEM_ID, enrolUntil: Date.now() + HOUR_MS });
  const body = bootstrapBody(identity, document, `https://${virtual}:6443`);
  const parts = { turns: on.turns, ledger: on.ledger, dial: { kubernetes: () => playKubernetes({}) } };
  void ensureBootstrap(parts)(body, contextFor(body, realPorts()));
  const hello = { claim: CLAIM, systemId: SYSTEM_ID, interfaces: [{ name: 'eth0', address: '127.0.0.1' }] };
  expect((await speak(on, 'POST', '/v1/enrol', { token, body: hello })).status).toBe(204);
  return { on, token, fetch: () => speak(on, 'GET', '/v1/bootstrap', { token, json: true }) };
}

test('[I3] the document is handed out only with a code that the edge knows; a second fetch of it has the same one', async () => {
  const book: Book = { minted: [], read: 0, codeTaken: false };
  const { fetch } = await served(offerOf(book));
  expect((await fetch()).status).toBe(503);
  book.codeTaken = true;
  const first = await fetch();
  const again = await fetch();
  expect([first.status, again.text]).toEqual([200, first.text]);
  expect(book.minted).toEqual([CLAIM, CLAIM]);
  const { files, steps } = FilledDocument.parse(JSON.parse(first.text));
  expect(files.map(({ content }) => content)).toEqual([
    CODE,
    'settings for 127.0.0.1 and 10.0.0.100',
    'the authority of enrolment.slipway.internal',
  ]);
  // The address the machine has just come to, not the first of the list.
  expect(steps[0]?.script).toBe(`https://127.0.0.1:8443 ${SHA256} x86_64`);
});

test('come to by the virtual address, the machine is given one of this relay’s own: that one may be another’s in a moment', async () => {
  const book: Book = { minted: [], read: 0, codeTaken: true };
  const { fetch } = await served(offerOf(book), DOCUMENT, '127.0.0.1');
  const { steps } = FilledDocument.parse(JSON.parse((await fetch()).text));
  expect(steps[0]?.script).toBe(`https://10.0.0.9:8443 ${SHA256} x86_64`);
});

test('a workload’s document costs no code and no look at the program', async () => {
  const book: Book = { minted: [], read: 0, codeTaken: true };
  const { fetch } = await served(offerOf(book), aDocument());
  expect((await fetch()).status).toBe(200);
  expect(book).toEqual({ minted: [], read: 0, codeTaken: true });
});

test('the program goes to who has a token, whole, by its kind; without an offer there is none', async () => {
  const book: Book = { minted: [], read: 0, codeTaken: true };
  const { on, token } = await served(offerOf(book));
  const without = await speak(on, 'GET', '/v1/program', {});
  expect(without.status).toBe(401);
  const program = await speak(on, 'GET', '/v1/program', { token });
  expect(program).toMatchObject({
    status: 200,
    headers: { 'x-slipway-program': 'executable', 'x-slipway-program-sha256': SHA256 },
  });
  expect(createHash('sha256').update(program.text).digest('hex')).toBe(SHA256);
  const bare = await served(undefined);
  expect((await speak(bare.on, 'GET', '/v1/program', { token })).status).toBe(404);
  expect((await bare.fetch()).status).toBe(503);
});
