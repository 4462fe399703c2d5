// The etcd of a cluster, asked over its JSON gateway on a control plane's own address with a client certificate of the etcd
// authority: the Kubernetes API can't tell who is a member, and a dead member must go before its machine comes back
// (kubernetes.md §2.2). Ids are 64-bit: they stay text.
import { Agent, request } from 'undici';
import { z } from 'zod';
import type { Result } from '../../shared/result.ts';
import { err, ok } from '../../shared/result.ts';
import { type ClientCredential, makeEtcdCredential } from '../bootstrap/client-credential.ts';
import type { ClusterIdentity } from '../bootstrap/cluster-identity.ts';
import { reasonOf } from '../log.ts';
import type { Clock } from '../ports.ts';
import type { KubernetesCall, KubernetesFailure } from './kubernetes-api.ts';

export type EtcdMember = {
  readonly id: string;
  /** The node's name; empty for a member that was announced and never started. */
  readonly name: string;
  readonly healthy: boolean;
  readonly learner: boolean;
  /** The host of its peer address. */
  readonly host: string;
};

export type EtcdApi = {
  /** Asks the peers in order until one answers, then each member for its health. */
  readonly listMembers: (peers: readonly string[]) => KubernetesCall<readonly EtcdMember[]>;
  /** Through the first peer that answers. A member that is gone already is fine. */
  readonly removeMember: (peers: readonly string[], id: string) => KubernetesCall<null>;
  readonly close: () => Promise<void>;
};

export const ETCD_PORT = 2379;
const CONNECT_MS_MAX = 3_000;
/** Without quorum a removal waits for its time-out; kubeadm gives etcd calls 2 min, a person would not. */
const ANSWER_MS_MAX = 10_000;
const ANSWER_BYTES_MAX = 1_048_576;

const MemberList = z.object({
  members: z.array(
    z.object({
      ID: z.string(),
      name: z.string().default(''),
      peerURLs: z.array(z.string()).default([]),
      clientURLs: z.array(z.string()).default([]),
      isLearner: z.boolean().default(false),
    }),
  ),
});
const MemberStatus = z.object({ leader: z.string().default('0'), errors: z.array(z.string()).default([]) });

type Asker = (address: string, path: string, body: unknown) => KubernetesCall<unknown>;

/** @param port only tests have another */
export function createEtcdApi(identity: ClusterIdentity, clock: Clock, port = ETCD_PORT): EtcdApi {
  let current: { readonly agent: Agent; readonly credential: ClientCredential } | null = null;

  async function agentNow(): Promise<Agent> {
    if (current !== null && current.credential.notAfter - clock.now() > 60_000) return current.agent;
    const credential = await makeEtcdCredential(identity, clock.now());
    if (current !== null) void current.agent.close();
    current = { agent: newAgent(credential), credential };
    return current.agent;
  }

  const ask: Asker = async (address, path, body) => {
    try {
      const answer = await request(`https://${address}:${port}${path}`, {
        method: 'POST',
        dispatcher: await agentNow(),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const text = await answer.body.text();
      if (answer.statusCode === 200) return ok(JSON.parse(text));
      return err({
        code: 'KUBERNETES_REFUSED',
        status: answer.statusCode,
        reason: 'Etcd',
        detail: text.slice(0, 2_000),
      });
    } catch (error) {
      return err(noEtcd(`${address}: ${reasonOf(error)}`));
    }
  };

  return {
    listMembers: (peers) => listMembers(ask, peers),
    removeMember: async (peers, id) => {
      const removed = await firstAnswer(peers, (peer) => ask(peer, '/v3/cluster/member/remove', { ID: id }));
      if (removed.ok || isGone(removed.error)) return ok(null);
      return removed;
    },
    close: async () => {
      await current?.agent.destroy();
      current = null;
    },
  };
}

function newAgent(credential: ClientCredential): Agent {
  return new Agent({
    connect: {
      timeout: CONNECT_MS_MAX,
      ca: credential.caPem,
      cert: credential.certPem,
      key: credential.keyPem,
    },
    headersTimeout: ANSWER_MS_MAX,
    bodyTimeout: ANSWER_MS_MAX,
    maxResponseSize: ANSWER_BYTES_MAX,
  });
}

async function listMembers(ask: Asker, peers: readonly string[]): KubernetesCall<readonly EtcdMember[]> {
  const told = await firstAnswer(peers, (peer) => ask(peer, '/v3/cluster/member/list', {}));
  if (!told.ok) return told;
  const list = MemberList.safeParse(told.value);
  if (!list.success) return err(noEtcd('the list of members has an unknown form'));
  return ok(
    await Promise.all(
      list.data.members.map(async (member) => ({
        id: member.ID,
        name: member.name,
        learner: member.isLearner,
        host: hostOf(member.peerURLs[0] ?? ''),
        healthy: await isHealthy(ask, hostOf(member.clientURLs[0] ?? '')),
      })),
    ),
  );
}

async function isHealthy(ask: Asker, host: string): Promise<boolean> {
  if (host === '') return false;
  const told = await ask(host, '/v3/maintenance/status', {});
  if (!told.ok) return false;
  const status = MemberStatus.safeParse(told.value);
  // Without a leader a member answers, and can do nothing.
  return status.success && status.data.leader !== '0' && status.data.errors.length === 0;
}

async function firstAnswer(
  peers: readonly string[],
  ask: (peer: string) => Promise<Result<unknown, KubernetesFailure>>,
): KubernetesCall<unknown> {
  let last: KubernetesFailure = noEtcd('nobody to ask');
  for (const peer of peers) {
    const answer = await ask(peer);
    if (answer.ok) return answer;
    last = answer.error;
    // A no of etcd's is the cluster's no, whoever gives it.
    if (last.code === 'KUBERNETES_REFUSED' && last.status < 500) return answer;
  }
  return err(last);
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).hostname : '');

const noEtcd = (detail: string): KubernetesFailure => ({
  code: 'KUBERNETES_UNREACHABLE',
  detail: `etcd: ${detail}`.slice(0, 2_000),
});

const isGone = (failure: KubernetesFailure): boolean =>
  failure.code === 'KUBERNETES_REFUSED' && failure.detail.includes('member not found');
