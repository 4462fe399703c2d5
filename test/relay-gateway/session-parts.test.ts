// What an installer and a relay of a gateway's machines say in a session: codes are told before they are given out, what is
// installed is registered in every session, and a node asks to leave until it is gone.
import { expect, test } from 'vitest';
import { createInstaller } from '../../relay/tunnel/installer.ts';
import { createPairingCodes } from '../../relay/tunnel/pairing-codes.ts';
import { Claim } from '../../shared/claim.ts';
import { Installation, type InstallationState } from '../../shared/installation.ts';
import { readPairingCode } from '../../shared/pairing.ts';
import { RelayFrame } from '../../shared/tunnel-frame.ts';
import { testPorts } from '../relay/memory-ports.ts';
import { until } from '../support/until.ts';

const CLAIM = Claim.parse('slipway/gw_1/clu_1/gateway-0/1');
const OTHER = Claim.parse('slipway/gw_1/clu_1/gateway-1/1');
const COMMAND_KEY = Buffer.alloc(32, 7).toString('base64url');
const STATE: InstallationState = { refused: null, clusterId: null, phase: null, waitingOn: [], machines: [] };
const INSTALLATION = Installation.parse({
  account: {
    name: 'edge-1',
    access: {
      accountId: 'acc_1',
      endpoint: 'http://10.0.0.1:5240/MAAS',
      sealedKey: { v: 1, purpose: 'maas-key', recordId: 'acc_1', version: 1, encapsulatedKey: 'x', ciphertext: 'y' },
      caBundlePem: null,
    },
    facts: {
      maasVersion: '3.5',
      user: 'slipway',
      isAdmin: false,
      zones: [],
      pools: [],
      domains: [],
      images: [],
      readyMachines: 1,
      permissionsMissing: [],
    },
  },
  machines: null,
});

function codes() {
  const clock = testPorts();
  let drawn = 0;
  let timersSet = 0;
  const bytes = (count: number): Uint8Array => {
    drawn += 1;
    return new Uint8Array(count).fill(drawn);
  };
  const timers = {
    after: (delayMs: number, then: () => void) => {
      timersSet += 1;
      return clock.timers.after(delayMs, then);
    },
  };
  const part = createPairingCodes(COMMAND_KEY, { ...clock, timers, random: { fraction: () => 0.5, bytes } });
  const sent: RelayFrame[] = [];
  const hashes = (): string[] => sent.flatMap((frame) => (frame.type === 'pairing-code' ? [frame.codeHash] : []));
  return {
    part,
    sent,
    hashes,
    timersSet: () => timersSet,
    drawn: () => drawn,
    ack: (codeHash: string | undefined) => part.take({ v: 1, type: 'pairing-code-ack', codeHash: codeHash ?? '' }),
    attach: () => part.attach((frame) => void sent.push(RelayFrame.parse(frame))),
    advance: clock.advance,
  };
}

/** Digests are made beside the clock that the test moves. */
const DIGEST_MS_MAX = 5_000;

test('[I3] a code is given out only when the edge has said that it knows its digest, and is told again until then', async () => {
  const at = codes();
  at.attach();
  let given: string | null = null;
  const minted = at.part.mint(CLAIM).then((code) => {
    given = code.ok ? code.value : 'refused';
    return code;
  });
  await until(DIGEST_MS_MAX, 'a code', async () => at.sent.length === 1);
  expect(at.sent[0]).toMatchObject({ type: 'pairing-code', claim: CLAIM });
  await at.advance(2_000);
  expect(at.hashes()).toEqual([at.hashes()[0], at.hashes()[0]]);
  at.ack('A'.repeat(43));
  await at.advance(1_000);
  expect(given).toBeNull();
  at.ack(at.hashes()[0]);
  const code = await minted;
  const read = readPairingCode(code.ok ? code.value : '');
  expect(read).not.toBeNull();
  const hash = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(read?.code ?? ''))).toString('base64url');
  expect(hash).toBe(at.hashes()[0]);
  await at.advance(60_000);
  expect(at.sent).toHaveLength(2);
});

test('[I3] without an answer a machine is told to come again, gets the same code then, and another claim another one', async () => {
  const at = codes();
  const first = at.part.mint(CLAIM);
  await until(DIGEST_MS_MAX, 'a code', async () => at.timersSet() === 1);
  // No session: nothing can be told, and after 10 s the machine hears so.
  await at.advance(10_000);
  expect(await first).toMatchObject({ ok: false });
  expect(at.sent).toEqual([]);
  at.attach();
  const second = at.part.mint(CLAIM);
  const other = at.part.mint(OTHER);
  await until(DIGEST_MS_MAX, 'a code', async () => new Set(at.hashes()).size === 2);
  // A new session is told what is still waited for.
  at.part.detach();
  const before = at.sent.length;
  at.attach();
  expect(new Set(at.hashes().slice(before))).toEqual(new Set(at.hashes().slice(0, before)));
  for (const hash of new Set(at.hashes())) at.ack(hash);
  const [one, two] = [await second, await other];
  expect([one.ok, two.ok]).toEqual([true, true]);
  expect(one).not.toEqual(two);
  // The code of the first try was used for the second: the edge keeps few that are not used.
  expect(at.drawn()).toBe(2);
});

test('[I1] registers in every session and every 2 s, and hears each answer; [I4] then asks to leave until it is closed', async () => {
  const clock = testPorts();
  const heard: InstallationState[] = [];
  const sent: RelayFrame['type'][] = [];
  const installer = createInstaller(clock.timers, (state) => heard.push(state));
  installer.attach((frame) => void sent.push(RelayFrame.parse(frame).type));
  await clock.advance(10_000);
  expect(sent).toEqual([]);
  installer.register(INSTALLATION);
  await clock.advance(4_000);
  expect(sent).toEqual(['installation', 'installation', 'installation']);
  installer.take({ v: 1, type: 'installation-state', state: STATE });
  expect(heard).toEqual([STATE]);
  installer.detach();
  await clock.advance(10_000);
  expect(sent).toHaveLength(3);
  installer.attach((frame) => void sent.push(frame.type));
  expect(sent).toHaveLength(4);
  installer.leave();
  await clock.advance(2_000);
  expect(sent.slice(4)).toEqual(['node-leave', 'node-leave']);
  installer.take({ v: 1, type: 'installation-state', state: STATE });
  expect(heard).toHaveLength(1);
});
