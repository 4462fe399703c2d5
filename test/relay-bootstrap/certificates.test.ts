// The endpoint's certificates while it serves: renewed by the wall clock without a machine's noticing, and under another
// authority while machines that pin the one of before still come. Real handshakes on loopback, the real script for a whole life.
import { connect, type PeerCertificate } from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import { notAfterOf } from '../../relay/bootstrap/certificate-authority.ts';
import { makeClusterIdentity } from '../../relay/bootstrap/cluster-identity.ts';
import { ensureBootstrap } from '../../relay/commands/bootstrap.ts';
import { authorityNumberOf, authorityOf, serverNameOf } from '../../relay/enrolment/authority-number.ts';
import { createCertificates } from '../../relay/enrolment/certificates.ts';
import { keptCertificate, makeEnrolmentAuthority } from '../../relay/enrolment/endpoint-certificate.ts';
import { makeToken } from '../../relay/enrolment/token.ts';
import { err } from '../../shared/result.ts';
import {
  CLAIM,
  contextFor,
  type EnrolmentBench,
  KEY,
  logTo,
  memoryDisk,
  playKubernetes,
  realPorts,
  SYSTEM_ID,
  speak,
  startBench,
} from './bench.ts';
import { aDocument, bootstrapBody } from './documents.ts';
import { layOutMachine, type Machine } from './machine.ts';

const DAY_MS = 24 * 3_600_000;
const identity = await makeClusterIdentity('edge-1', Date.now());
const ORDER = { claim: CLAIM, systemId: SYSTEM_ID, enrolUntil: Date.now() + 3_600_000 };
const hello = { claim: CLAIM, systemId: SYSTEM_ID, interfaces: [{ name: 'eth0', address: '127.0.0.1' }] };

const benches: EnrolmentBench[] = [];
const machines: Machine[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.close();
  for (const machine of machines.splice(0)) await machine.remove();
});
async function relay(given: Parameters<typeof startBench>[0] = {}): Promise<EnrolmentBench> {
  const bench = await startBench(given);
  benches.push(bench);
  return bench;
}

const clockAt = (at: { now: number }) => ({ now: () => at.now, monotonicMs: () => performance.now() });

/** What a machine with this pin is shown; rejects when it does not trust it. */
function handshake(port: number, ca: string, servername: string): Promise<PeerCertificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca, servername }, () => {
      resolve(socket.getPeerCertificate());
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

const pinIn = (userData: string): string => {
  const [pem = ''] = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(userData) ?? [];
  return pem.replace(/^ +/gm, '');
};

function give(bench: EnrolmentBench) {
  const document = aDocument({ files: [], steps: [{ name: 'only', script: 'true', timeoutSeconds: 10 }] });
  const body = bootstrapBody(identity, document);
  const dial = { kubernetes: () => playKubernetes({}) };
  return ensureBootstrap({ turns: bench.turns, ledger: bench.ledger, dial })(body, contextFor(body, realPorts()));
}

test('[E1] renewed while it serves, after a jump of the clock too: the pin of before holds, and who waits for a turn is not cut', async () => {
  const at = { now: Date.now() };
  const bench = await relay({ clock: clockAt(at) });
  const pin = pinIn(bench.userDataFor(ORDER));
  const show = () => handshake(bench.port, pin, serverNameOf(0));
  const first = await show();
  expect((await show()).serialNumber).toBe(first.serialNumber);
  const token = makeToken(KEY, ORDER);
  expect((await speak(bench, 'POST', '/v1/enrol', { token, body: hello })).status).toBe(204);
  const waiting = speak(bench, 'GET', '/v1/bootstrap', { token, json: true });

  at.now += 300 * DAY_MS;
  expect((await show()).serialNumber).toBe(first.serialNumber);
  at.now += 10 * DAY_MS;
  const second = await show();
  expect(second.serialNumber).not.toBe(first.serialNumber);
  expect(Date.parse(second.valid_to) - at.now).toBeGreaterThan(390 * DAY_MS);
  // Nine years later, as far as the relay knows: the authority is renewed too, and who pinned it before sees no difference.
  at.now += 9 * 365 * DAY_MS;
  const late = await show();
  expect(Date.parse(late.valid_to)).toBeGreaterThan(at.now);
  const kept = await keptCertificate(memoryDisk(bench.files), 0);
  if (!kept.ok || kept.value === null) throw new Error('nothing is kept');
  expect(kept.value.authorityEndsAt - at.now).toBeGreaterThan(9 * 365 * DAY_MS);
  expect((await handshake(bench.port, kept.value.authorityPem, serverNameOf(0))).serialNumber).toBe(late.serialNumber);

  void give(bench);
  expect((await waiting).status).toBe(200);
});

test('[E1] a certificate of a wrong clock, and one that ended while the relay was off, are made anew at the next start', async () => {
  const files = new Map<string, Uint8Array>();
  const at = { now: Date.parse('2019-01-01') };
  const key = { authority: await makeEnrolmentAuthority(Date.now()), enrolmentKey: KEY };
  const open = (lines: string[] = [], disk = memoryDisk(files)) =>
    createCertificates({ disk, clock: clockAt(at), log: logTo(lines), key, number: 0 });
  const past = await open().under(0);
  expect(past.endpointEndsAt).toBeLessThan(Date.now());
  at.now = Date.now();
  const now = await open().under(0);
  expect(now.endpointEndsAt).toBeGreaterThan(Date.now() + 390 * DAY_MS);
  // Restarted it serves the same, and user-data comes out the same.
  expect(await open().under(0)).toEqual(now);
  // A full disk is no reason to serve none.
  at.now += 400 * DAY_MS;
  const lines: string[] = [];
  const full = { ...memoryDisk(files), replace: async () => err({ code: 'full' as const, detail: 'no room' }) };
  const unkept = open(lines, full);
  expect((await unkept.under(0)).endpointEndsAt).toBeGreaterThan(at.now);
  expect(lines.join('\n')).toContain('certificate-not-kept');
});

test('[E3] another authority: machines of before and after it enrol at every relay, whatever number that one has itself', async () => {
  const files = new Map<string, Uint8Array>();
  const before = await relay({ files });
  const after = await relay({ files: new Map(files), authority: 1, host: '127.0.0.51' });
  const [old, fresh] = [before.userDataFor(ORDER), after.userDataFor(ORDER)];
  expect(pinIn(fresh)).not.toBe(pinIn(old));
  // Each pins one authority only, and is shown no other.
  await expect(handshake(before.port, pinIn(old), serverNameOf(1))).rejects.toThrow();
  await expect(handshake(before.port, pinIn(fresh), serverNameOf(0))).rejects.toThrow();
  const [to, from] = [`127.0.0.1:${before.port}`, `127.0.0.51:${after.port}`];
  for (const [userData, at] of [
    [fresh.replace(from, to), before],
    [old.replace(to, from), after],
  ] as const) {
    const machine = await layOutMachine(userData);
    machines.push(machine);
    void give(at);
    expect((await machine.run('run')).status).toBe(0);
    expect(at.facts.at(-1)).toMatchObject({ step: 'bootstrap', outcome: 'succeeded' });
  }
});

test('[E3] an authority’s key is made of the gateway’s key and its number: the same on every node, and no other’s', async () => {
  const key = { authority: await makeEnrolmentAuthority(Date.now()), enrolmentKey: KEY };
  const made = async (number: number, enrolmentKey: Uint8Array = KEY) =>
    (await authorityOf({ ...key, enrolmentKey }, number, Date.now())).keyPem;
  expect(await made(0)).toBe(key.authority.keyPem);
  expect(await made(1)).toBe(await made(1));
  const keys = [await made(0), await made(1), await made(2), await made(1, Buffer.alloc(32, 1))];
  expect(new Set(keys).size).toBe(4);
  expect(notAfterOf((await authorityOf(key, 1, Date.now())).certPem)).toBeGreaterThan(Date.now() + 9 * 365 * DAY_MS);
});

test('[E3] a name says one number of 0 to 99; for any other a stranger makes a relay make nothing', async () => {
  for (const number of [0, 1, 9, 10, 99]) expect(authorityNumberOf(serverNameOf(number))).toBe(number);
  const name = serverNameOf(0);
  for (const other of [
    '',
    'x',
    `a0.${name}`,
    `a01.${name}`,
    `a100.${name}`,
    `b1.${name}`,
    `a1.x${name}`,
    `a-1.${name}`,
  ])
    expect(authorityNumberOf(other), other).toBeNull();
  const bench = await relay();
  const { port } = bench;
  const shown = await handshake(port, pinIn(bench.userDataFor(ORDER)), 'elsewhere.example').catch(String);
  expect(shown).toContain('does not match');
});
