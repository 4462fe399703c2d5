// The etcd stand-in over real mutual TLS: membership as the JSON gateway tells it.
import { request } from 'node:https';
import { afterEach, describe, expect, it } from 'vitest';
import { createAuthorityPems, issueKeyPair, loadAuthority } from '../lab/kubernetes/certificate-authority.ts';
import { createEtcd } from '../lab/kubernetes/etcd.ts';
import type { EtcdGateway } from '../lab/kubernetes/etcd-gateway.ts';
import { memberId, startEtcdGateway } from '../lab/kubernetes/etcd-gateway.ts';

let gateway: EtcdGateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

async function played() {
  const ca = await createAuthorityPems('etcd-ca');
  const client = await issueKeyPair(await loadAuthority(ca), { commonName: 'slipway-relay', usage: 'client' });
  const etcd = createEtcd();
  for (const index of [1, 2, 3]) etcd.add(`cp${index}`, `10.0.0.${index}`);
  const started = await startEtcdGateway({
    etcd,
    ca,
    memberName: 'cp1',
    address: '127.0.0.1',
    port: 0,
    requestTimeoutMs: 20,
  });
  gateway = started;
  const ask = (
    path: string,
    body: unknown,
    pair: { certPem: string; keyPem: string } = client,
  ): Promise<{ status: number; text: string }> =>
    new Promise((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port: started.port,
          path,
          method: 'POST',
          ca: ca.certPem,
          agent: false,
          cert: pair.certPem,
          key: pair.keyPem,
        },
        (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => {
            text += chunk.toString('utf8');
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
          response.on('error', reject);
        },
      );
      sent.on('error', reject);
      sent.end(JSON.stringify(body));
    });
  return { etcd, ask };
}

describe('the etcd gateway of the lab', () => {
  it('lists members and removes a dead one by its id', async () => {
    const { etcd, ask } = await played();
    etcd.setUp('cp3', false);
    const listed = await ask('/v3/cluster/member/list', {});
    const id = memberId({ name: 'cp3', address: '10.0.0.3' });
    expect(listed.text).toContain(`"ID":"${id}"`);
    expect((await ask('/v3/cluster/member/remove', { ID: id })).status).toBe(200);
    expect(etcd.members().map((member) => member.name)).toEqual(['cp1', 'cp2']);
    expect(await ask('/v3/cluster/member/remove', { ID: id })).toMatchObject({
      status: 404,
      text: expect.stringContaining('member not found'),
    });
  });

  it('has no leader and removes nobody without a quorum', async () => {
    const { etcd, ask } = await played();
    expect((await ask('/v3/maintenance/status', {})).text).toContain('"leader"');
    etcd.setUp('cp2', false);
    etcd.setUp('cp3', false);
    expect((await ask('/v3/maintenance/status', {})).text).not.toContain('"leader"');
    expect(
      (await ask('/v3/cluster/member/remove', { ID: memberId({ name: 'cp3', address: '10.0.0.3' }) })).status,
    ).toBe(503);
    expect(etcd.members()).toHaveLength(3);
  });

  it('cuts connections of a member that is down, and of strangers', async () => {
    const { etcd, ask } = await played();
    const stranger = await issueKeyPair(await loadAuthority(await createAuthorityPems('other')), {
      commonName: 'x',
      usage: 'client',
    });
    await expect(ask('/v3/cluster/member/list', {}, stranger)).rejects.toThrow();
    etcd.setUp('cp1', false);
    await expect(ask('/v3/cluster/member/list', {})).rejects.toThrow();
  });
});
