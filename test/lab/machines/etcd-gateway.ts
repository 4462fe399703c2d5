// A STAND-IN for the JSON gateway of a control plane's etcd (https://<node>:2379/v3/…), over the lab's membership model: list,
// remove and status, with client certificates of the etcd CA, as etcd 3.5 answers. Anything else is a loud 501.
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { z } from 'zod';
import { issueKeyPair, loadAuthority } from '../kubernetes/certificate-authority.ts';
import type { Etcd, EtcdMember } from '../kubernetes/etcd.ts';

const BODY_BYTES_MAX = 65_536;
const RemoveRequest = z.object({ ID: z.string().regex(/^\d+$/) });

export type EtcdGateway = { close(): Promise<void> };

export async function startEtcdGateway(
  etcd: Etcd,
  self: { readonly name: string; readonly address: string },
  ca: { readonly certPem: string; readonly keyPem: string },
  where: { readonly host: string; readonly port: number } | { readonly path: string },
): Promise<EtcdGateway> {
  const authority = await loadAuthority(ca);
  const serving = await issueKeyPair(authority, {
    commonName: self.name,
    usage: 'server',
    names: [self.address, '127.0.0.1', 'localhost', self.name],
  });
  const server = createServer(
    { cert: serving.certPem, key: serving.keyPem, ca: ca.certPem, requestCert: true, rejectUnauthorized: true },
    (request, response) => {
      readBody(request).then(
        (body) => answer(etcd, self, request.url ?? '', body, response),
        (error: unknown) => send(response, 400, { error: String(error), code: 3, message: String(error) }),
      );
    },
  );
  await listen(server, where);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(etcd: Etcd, self: { name: string }, path: string, body: unknown, response: ServerResponse): void {
  // Without a quorum these wait for one until the client gives up; so does the stand-in.
  if (!etcd.hasQuorum() && path !== '/v3/maintenance/status') return;
  const header = { cluster_id: '10889102423937937985', member_id: memberId(self.name), raft_term: '2' };
  switch (path) {
    case '/v3/cluster/member/list':
      return send(response, 200, { header, members: etcd.members().map(memberJson) });
    case '/v3/cluster/member/remove':
      return remove(etcd, body, header, response);
    case '/v3/maintenance/status': {
      const leader = etcd.members().find((member) => member.up)?.name ?? self.name;
      return send(response, 200, {
        header,
        version: '3.5.30',
        dbSize: '2809856',
        leader: memberId(leader),
        raftIndex: '4665',
        raftTerm: '2',
        raftAppliedIndex: '4665',
      });
    }
    default:
      return send(response, 501, {
        error: `the lab's etcd stand-in does not model ${path}`,
        code: 12,
        message: `the lab's etcd stand-in does not model ${path}`,
      });
  }
}

function remove(etcd: Etcd, body: unknown, header: object, response: ServerResponse): void {
  const wanted = RemoveRequest.safeParse(body);
  const member = wanted.success ? etcd.members().find((one) => memberId(one.name) === wanted.data.ID) : undefined;
  if (member === undefined)
    return send(response, 404, {
      error: 'etcdserver: member not found',
      code: 5,
      message: 'etcdserver: member not found',
    });
  const removed = etcd.remove(member.name);
  if (!removed.ok) return send(response, 503, { error: removed.error.detail, code: 14, message: removed.error.detail });
  send(response, 200, { header, members: etcd.members().map(memberJson) });
}

const memberJson = (member: EtcdMember): object => ({
  ID: memberId(member.name),
  name: member.name,
  peerURLs: [`https://${member.address}:2380`],
  clientURLs: [`https://${member.address}:2379`],
});

/** etcd's ids are 64-bit numbers; JSON carries them as text. */
function memberId(name: string): string {
  return createHash('sha256').update(name).digest().readBigUInt64BE(0).toString();
}

function send(response: ServerResponse, status: number, body: object): void {
  response
    .writeHead(status, { 'content-type': 'application/json', 'x-slipway-stand-in': 'etcd' })
    .end(JSON.stringify(body));
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > BODY_BYTES_MAX) throw new Error('body too large');
  }
  return text === '' ? {} : JSON.parse(text);
}

function listen(server: Server, where: { host: string; port: number } | { path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => resolve());
  });
}
