// An etcd whose members a test lists, on addresses of loopback: the JSON gateway of v3.5, as far as the relay asks it. A real etcd
// is asked in real-etcd.test.ts.
import type { IncomingMessage } from 'node:http';
import { type Ending, identity, json, startScripted } from './cluster-bench.ts';

export type Played = { ID: string; name: string; address: string; isLearner?: boolean; up?: boolean };

async function bodyOf(request: IncomingMessage): Promise<{ ID?: string }> {
  let text = '';
  for await (const part of request) text += String(part);
  return JSON.parse(text);
}

/** An etcd's JSON gateway as v3.5 answers: 64-bit ids as text, fields of no value left out. One address a member. */
export async function playEtcd(ending: Ending, members: Played[]): Promise<number> {
  let port = 0;
  for (const member of members.filter((one) => one.up !== false)) {
    const served = await startScripted(
      ending,
      async (request, response) => {
        const body = await bodyOf(request);
        if (request.url === '/v3/cluster/member/list') {
          const list = members.map(({ ID, name, address, isLearner }) => ({
            ID,
            ...(name === '' ? {} : { name, clientURLs: [`https://${address}:2379`] }),
            peerURLs: [`https://${address}:2380`],
            ...(isLearner ? { isLearner } : {}),
          }));
          return json(response, 200, { header: { member_id: '1' }, members: list });
        }
        if (request.url === '/v3/maintenance/status') return json(response, 200, { version: '3.5.30', leader: '17' });
        const at = members.findIndex((one) => one.ID === body.ID);
        if (at < 0) return json(response, 404, { error: 'etcdserver: member not found', code: 5 });
        members.splice(at, 1);
        return json(response, 200, { members: [] });
      },
      { authority: identity.etcdCa, address: member.address, port },
    );
    port = served.port;
  }
  return port;
}

/** Members of which the last is down. */
export const three = (): Played[] => [
  { ID: '9372538179322589801', name: 'cp-0', address: '127.0.0.21' },
  { ID: '10501334649042878790', name: 'cp-1', address: '127.0.0.22' },
  { ID: '18249187646912138824', name: 'cp-2', address: '127.0.0.23', up: false },
];
