// Asks each connected relay of a gateway to look around now (N8), all at once, and keeps what they found as the evidence of the
// gateway's conditions. A relay that is away, or does not answer, is told as such.
import { type AccountAccess, commandIdOf } from '../../shared/command.ts';
import type { EpochMs, RequestId } from '../../shared/ids.ts';
import { DIAGNOSTICS_MS_MAX } from '../../shared/limits.ts';
import type { GatewayDiagnosis, NodeCheck } from '../../shared/node-check.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { Asks } from './asks.ts';
import type { GatewayRecord, GatewayStorage } from './gateway-storage.ts';
import type { NodeRecord } from './relay-nodes.ts';
import { activeSessions, isAlive, leadSession, readySessions, type Sockets } from './tunnel-session.ts';

export type DiagnosticsPorts = {
  now(): EpochMs;
  readonly sockets: Sockets;
  readonly storage: GatewayStorage;
  readonly asks: Asks;
  /** Sends what is unsent. */
  deliver(): void;
};

type NodeDiagnosis = GatewayDiagnosis['nodes'][number];
type CheckView = NodeDiagnosis['checks'][number];

/** `GATEWAY_NOT_RUNNING` when no relay is connected, `NOT_FOUND` when there is no gateway. May be repeated. */
export async function diagnoseNodes(
  ports: DiagnosticsPorts,
  gateway: GatewayRecord | null,
  requestId: RequestId,
  accounts: readonly AccountAccess[],
): Promise<Result<GatewayDiagnosis, ApiFailure>> {
  const { now, sockets, storage } = ports;
  if (gateway === null) return err(apiFailure('NOT_FOUND'));
  const ranAt = now();
  const alive = readySessions(sockets).filter((session) => isAlive(session, ranAt));
  if (alive.length === 0) return err(apiFailure('GATEWAY_NOT_RUNNING'));
  const lead = leadSession(activeSessions(sockets), ranAt);
  const asked = storage.nodes().map(async (node): Promise<NodeDiagnosis> => {
    const { nodeId, hostname } = node;
    const isHere = alive.some(({ state }) => state.nodeId === nodeId);
    const checks = isHere ? await ask(ports, gateway, node, requestId, accounts) : [away(node)];
    return { nodeId, hostname, leader: lead?.state.nodeId === nodeId, checks };
  });
  ports.deliver();
  return ok({ ranAt, nodes: await Promise.all(asked) });
}

async function ask(
  { now, asks, storage }: DiagnosticsPorts,
  { scope, gatewayId }: GatewayRecord,
  { nodeId }: NodeRecord,
  requestId: RequestId,
  accounts: readonly AccountAccess[],
): Promise<CheckView[]> {
  const began = now();
  const commandId = commandIdOf(requestId, nodeId, 'observe-node', 0, 0);
  const about = { clusterId: null, subject: nodeId, generation: 0, attempt: 0, deadlineAt: began + DIAGNOSTICS_MS_MAX };
  const body = { verb: 'observe-node' as const, accounts: [...accounts] };
  const told = await asks.wait({ commandId, scope, gatewayId, ...about, body }, DIAGNOSTICS_MS_MAX, nodeId);
  if (!told.ok) return [silent(told.error)];
  const outcome = told.value;
  if (!outcome.ok || outcome.value.verb !== 'observe-node') {
    const code = outcome.ok ? outcome.value.verb : outcome.error.code;
    return [failed(`it could not look around: ${code}`, 'See the log of slipway-relay on this node.')];
  }
  const { checks } = outcome.value;
  // It may have been removed meanwhile.
  const node = storage.node(nodeId);
  if (node !== null) storage.looked(nodeId, evidenceOf(node, checks, now()));
  return [{ name: 'tunnel', status: 'ok', detail: `answered within ${now() - began} ms`, todo: '' }, ...checks];
}

/** What was so before has been so since then. */
function evidenceOf({ found }: NodeRecord, checks: readonly NodeCheck[], at: EpochMs) {
  const names = [...new Set(checks.map(({ name }) => name))];
  const since = Object.fromEntries(
    names.map((name) => {
      const isAsBefore = found !== null && statusOf(found.checks, name) === statusOf(checks, name);
      return [name, isAsBefore ? (found.since[name] ?? at) : at];
    }),
  );
  return { at, checks: [...checks], since };
}

/** Of several checks of one name, the worst; skipped when there is none. */
export function statusOf(checks: readonly NodeCheck[], name: NodeCheck['name']): NodeCheck['status'] {
  const all = checks.filter((check) => check.name === name).map(({ status }) => status);
  if (all.includes('failed')) return 'failed';
  return all.includes('ok') ? 'ok' : 'skipped';
}

const failed = (detail: string, todo: string): CheckView => ({ name: 'tunnel', status: 'failed', detail, todo });

function away({ lastSeenAt }: NodeRecord): CheckView {
  const seen = lastSeenAt === null ? 'it never was' : `last seen at ${new Date(lastSeenAt).toISOString()}`;
  return failed(`not connected; ${seen}`, 'Start slipway-relay on this node; slipway-relay doctor there says more.');
}

function silent({ code }: ApiFailure): CheckView {
  const todo =
    'See its log. A slipway-relay that is older than this command drops its connection: bring it up to date.';
  return failed(`no answer within ${DIAGNOSTICS_MS_MAX / 1_000} s (${code})`, todo);
}
