import { afterEach, describe, expect, test } from 'vitest';
import { makeClusterIdentity } from '../../relay/bootstrap/cluster-identity.ts';
import { ensureBootstrap } from '../../relay/commands/bootstrap.ts';
import { makeToken, readToken } from '../../relay/enrolment/token.ts';
import type { JoinToken } from '../../relay/kubernetes/join-token-secret.ts';
import type { KubernetesApi } from '../../relay/kubernetes/kubernetes-api.ts';
import { FilledDocument } from '../../shared/enrolment.ts';
import { SystemId } from '../../shared/ids.ts';
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
} from './bench.ts';
import { aDocument, bootstrapBody } from './documents.ts';

const HOUR_MS = 3_600_000;
const identity = await makeClusterIdentity('berlin', Date.now());
const open: EnrolmentBench[] = [];
afterEach(async () => {
  for (const bench of open.splice(0)) await bench.close();
});
async function bench(given: Parameters<typeof startBench>[0] = {}): Promise<EnrolmentBench> {
  const started = await startBench(given);
  open.push(started);
  return started;
}

const tokenUntil = (enrolUntil: number, systemId = SYSTEM_ID) => makeToken(KEY, { claim: CLAIM, systemId, enrolUntil });
const goodToken = () => tokenUntil(Date.now() + HOUR_MS);
const hello = { claim: CLAIM, systemId: SYSTEM_ID, interfaces: [{ name: 'eth0', address: '127.0.0.1' }] };
const aReport = {
  claim: CLAIM,
  systemId: SYSTEM_ID,
  step: 'join',
  outcome: 'failed',
  attempt: 2,
  exitCode: 1,
  log: 'no',
};

/** The command that holds the document; `api` stands for the cluster's Kubernetes API. */
function hold(on: EnrolmentBench, document = aDocument(), api: Partial<KubernetesApi> = {}, server?: string) {
  const stop = new AbortController();
  const body = bootstrapBody(identity, document, server);
  const dial = { kubernetes: () => playKubernetes(api) };
  const outcome = ensureBootstrap({ turns: on.turns, ledger: on.ledger, dial })(
    body,
    contextFor(body, realPorts(), stop.signal),
  );
  return { outcome, stop };
}

describe('a token', () => {
  test('says what it is for, and any change shows', () => {
    const token = tokenUntil(1_000);
    expect(readToken(KEY, token)).toEqual(ok({ claim: CLAIM, systemId: SYSTEM_ID, enrolUntil: 1_000 }));
    expect(tokenUntil(1_000)).toBe(token);
    const [said = '', proof = ''] = token.split('.');
    const other = Buffer.from(`${CLAIM}|zzzzzz|1000`).toString('base64url');
    for (const forged of [`${other}.${proof}`, `${said}.`, said, '', `${said}.${proof}a`, 'x'.repeat(9_999)]) {
      expect(readToken(KEY, forged).ok).toBe(false);
    }
    expect(readToken(Buffer.from('another key'), token).ok).toBe(false);
  });
});

describe('the enrolment endpoint', () => {
  test('hands a document out until it is acknowledged, then never again', async () => {
    const on = await bench();
    const token = goodToken();
    const { outcome } = hold(on);
    expect((await speak(on, 'POST', '/v1/enrol', { token, body: hello })).status).toBe(204);
    const first = await speak(on, 'GET', '/v1/bootstrap', { token, json: true });
    const again = await speak(on, 'GET', '/v1/bootstrap', { token, json: true });
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(FilledDocument.parse(JSON.parse(first.text)).files[0]?.content).toBe(identity.ca.certPem);
    expect((await speak(on, 'POST', '/v1/acknowledge', { token })).status).toBe(204);
    expect(await outcome).toMatchObject({ ok: true, value: { verb: 'ensure-bootstrap' } });
    expect((await speak(on, 'GET', '/v1/bootstrap', { token })).status).toBe(410);
    // Asked again by the edge, the command settles at once and the document stays shut.
    expect((await hold(on).outcome).ok).toBe(true);
    expect((await speak(on, 'GET', '/v1/bootstrap', { token })).status).toBe(410);
    expect(on.facts.map((fact) => fact.kind)).toEqual(['enrolled', 'document-fetched']);
  });

  test('remembers across a restart who has a document and from where it was asked', async () => {
    const on = await bench();
    const token = goodToken();
    hold(on);
    await speak(on, 'POST', '/v1/enrol', { token, body: hello });
    await speak(on, 'GET', '/v1/bootstrap', { token });
    await speak(on, 'POST', '/v1/acknowledge', { token });
    await on.close();
    const later = await bench({ files: on.files });
    expect((await hold(later).outcome).ok).toBe(true);
    expect((await speak(later, 'GET', '/v1/bootstrap', { token })).status).toBe(410);
    expect((await speak(later, 'GET', '/v1/bootstrap', { token, from: '127.0.0.2' })).status).toBe(403);
  });

  test('takes the acknowledgement of a machine that said hello to another relay', async () => {
    const on = await bench();
    const { outcome } = hold(on);
    const token = goodToken();
    expect((await speak(on, 'POST', '/v1/acknowledge', { token })).status).toBe(204);
    expect(await outcome).toMatchObject({ ok: true, value: { verb: 'ensure-bootstrap' } });
    expect((await speak(on, 'GET', '/v1/bootstrap', { token })).status).toBe(410);
    expect(on.facts.map((fact) => fact.kind)).toEqual(['document-fetched']);
  });

  test('answers a waiting machine as soon as its turn comes', async () => {
    const on = await bench();
    const token = goodToken();
    await speak(on, 'POST', '/v1/enrol', { token, body: hello });
    const waiting = speak(on, 'GET', '/v1/bootstrap', { token });
    const begun = performance.now();
    // Long enough that the request usually waits; it is answered either way.
    await new Promise((resolve) => setTimeout(resolve, 50));
    hold(on);
    expect((await waiting).status).toBe(200);
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  test('keeps nobody waiting while it is a standby', async () => {
    const on = await bench({ isActive: false });
    const token = goodToken();
    await speak(on, 'POST', '/v1/enrol', { token, body: hello });
    expect((await speak(on, 'GET', '/v1/bootstrap', { token })).status).toBe(204);
  });

  test('withdrawn, the command ends and the document is gone', async () => {
    const on = await bench({ isActive: false });
    const token = goodToken();
    await speak(on, 'POST', '/v1/enrol', { token, body: hello });
    const { outcome, stop } = hold(on);
    stop.abort();
    expect(await outcome).toEqual(err({ code: 'STOPPED' }));
    expect((await speak(on, 'GET', '/v1/bootstrap', { token })).status).toBe(204);
  });

  test('turns away another machine, another address, a forged or ended token, and strangers', async () => {
    const on = await bench();
    const token = goodToken();
    hold(on);
    expect((await speak(on, 'GET', '/v1/bootstrap', { token })).status).toBe(404);
    await speak(on, 'POST', '/v1/enrol', { token, body: hello });
    const ask = (one: string, from = '127.0.0.1') =>
      speak(on, 'GET', '/v1/bootstrap', { token: one, from }).then((reply) => reply.status);
    expect(await ask(token, '127.0.0.2')).toBe(403);
    expect(await ask(tokenUntil(Date.now() + HOUR_MS, SystemId.parse('zzzzzz')))).toBe(403);
    expect(await ask(tokenUntil(Date.now() - 1))).toBe(401);
    expect(await ask(`${token}x`)).toBe(401);
    expect((await speak(on, 'GET', '/v1/bootstrap')).status).toBe(401);
    expect((await speak(on, 'POST', '/v1/enrol', { token, body: { ...hello, systemId: 'zzzzzz' } })).status).toBe(403);
    expect((await speak(on, 'POST', '/v1/enrol', { token, body: { ...hello, more: 1 } })).status).toBe(400);
    expect((await speak(on, 'POST', '/v1/report', { token, body: { ...aReport, systemId: 'zzzzzz' } })).status).toBe(
      403,
    );
    expect((await speak(on, 'GET', '/v1/other', { token })).status).toBe(404);
    expect((await speak(on, 'GET', '//', { token })).status).toBe(404);
    expect((await speak(on, 'DELETE', '/v1/bootstrap', { token })).status).toBe(405);
    expect((await speak(on, 'POST', '/v1/report', { token, body: { log: 'x'.repeat(200_000) } })).status).toBe(413);
    // None of that has cost the right machine its turn.
    expect(await ask(token)).toBe(200);
  });

  test('lets only an address in that MAAS gives the machine, when that is known', async () => {
    const token = goodToken();
    const strict = await bench({ addresses: ['10.0.0.5'] });
    expect((await speak(strict, 'POST', '/v1/enrol', { token, body: hello })).status).toBe(403);
    const fitting = await bench({ addresses: ['127.0.0.1'] });
    expect((await speak(fitting, 'POST', '/v1/enrol', { token, body: hello })).status).toBe(204);
  });

  test('stops listening to an address that forges tokens', async () => {
    const on = await bench();
    const forged = await Promise.all(
      Array.from({ length: 30 }, () => speak(on, 'GET', '/v1/bootstrap', { token: 'a.b', from: '127.0.0.3' })),
    );
    expect(new Set(forged.map((reply) => reply.status))).toEqual(new Set([401]));
    expect((await speak(on, 'GET', '/v1/bootstrap', { token: 'a.b', from: '127.0.0.3' })).status).toBe(429);
    expect((await speak(on, 'POST', '/v1/enrol', { token: goodToken(), body: hello })).status).toBe(204);
  });

  test('passes reports on without their secrets, also late ones, and takes one for an acknowledgement', async () => {
    const on = await bench();
    const token = tokenUntil(Date.now() - 60_000);
    const { outcome } = hold(on);
    const log = `kubeadm join --token abcdef.0123456789abcdef\n${identity.ca.keyPem}done`;
    expect((await speak(on, 'POST', '/v1/report', { token, body: { ...aReport, log } })).status).toBe(204);
    expect((await outcome).ok).toBe(true);
    expect(on.facts[0]).toMatchObject({ kind: 'document-fetched', claim: CLAIM });
    expect(on.facts[1]).toEqual({
      kind: 'step',
      claim: CLAIM,
      systemId: SYSTEM_ID,
      step: 'join',
      outcome: 'failed',
      attempt: 2,
      exitCode: 1,
      log: 'kubeadm join --token <redacted>\n<redacted>\ndone',
    });
    const far = tokenUntil(Date.now() - 2 * HOUR_MS);
    expect((await speak(on, 'POST', '/v1/report', { token: far, body: aReport })).status).toBe(401);
  });

  test('fills facts by the node subnet, and never takes the virtual address for the node', async () => {
    const on = await bench();
    const token = goodToken();
    const document = aDocument({
      nodeSubnet: '10.7.0.0/16',
      steps: [
        {
          name: 'join',
          script: 'use {{fact:node-address}} {{fact:node-interface}} {{fact:system-id}}',
          timeoutSeconds: 5,
        },
      ],
    });
    const interfaces = [
      { name: 'eth0', address: '127.0.0.1' },
      { name: 'bond0:vip', address: '10.7.0.1' },
      { name: 'bond0', address: '10.7.0.9' },
    ];
    await speak(on, 'POST', '/v1/enrol', { token, body: { ...hello, interfaces } });
    hold(on, document, {}, 'https://10.7.0.1:6443');
    const got = await speak(on, 'GET', '/v1/bootstrap', { token, json: true });
    expect(FilledDocument.parse(JSON.parse(got.text)).steps[0]?.script).toBe('use 10.7.0.9 bond0 abc123');
  });

  test('says so when no interface lies in the node subnet, and keeps the turn', async () => {
    const on = await bench();
    const token = goodToken();
    await speak(on, 'POST', '/v1/enrol', { token, body: hello });
    hold(on, aDocument({ nodeSubnet: '10.7.0.0/16' }));
    expect((await speak(on, 'GET', '/v1/bootstrap', { token })).status).toBe(204);
    expect(on.facts.at(-1)).toMatchObject({ kind: 'step', step: 'node-address', outcome: 'failed' });
  });

  test('mints a join token at the fetch, once for a fetch that is repeated, and waits for an API that is away', async () => {
    const on = await bench();
    const token = goodToken();
    const minted: JoinToken[] = [];
    let isUp = false;
    hold(
      on,
      aDocument({ files: [{ path: '/join', mode: '0600', content: '{{secret:join-token}} {{secret:ca-cert-hash}}' }] }),
      {
        createJoinToken: async (made) => {
          if (!isUp) return err({ code: 'KUBERNETES_UNREACHABLE', detail: 'away' });
          minted.push(made);
          return ok(null);
        },
      },
    );
    await speak(on, 'POST', '/v1/enrol', { token, body: hello });
    expect((await speak(on, 'GET', '/v1/bootstrap', { token })).status).toBe(503);
    isUp = true;
    const first = await speak(on, 'GET', '/v1/bootstrap', { token, json: true });
    expect((await speak(on, 'GET', '/v1/bootstrap', { token, json: true })).text).toBe(first.text);
    expect(minted).toMatchObject([{ lifeMs: 600_000 }]);
    const joinToken = `${minted[0]?.id}.${minted[0]?.secret}`;
    expect(joinToken).toMatch(/^[a-z0-9]{6}\.[a-z0-9]{16}$/);
    expect(FilledDocument.parse(JSON.parse(first.text)).files[0]?.content).toMatch(`${joinToken} sha256:`);
    expect(on.logLines.join('\n')).not.toContain(joinToken);
  });
});
