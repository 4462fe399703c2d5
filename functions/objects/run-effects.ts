// Carries out what a plan decided: drains the outbox, lane by lane, in order. An effect leaves the outbox only after it was
// taken over, so it may be carried out twice and is never lost; both takers know repeats (C2, and a row is a row).
import { doubling } from '../../shared/backoff.ts';
import type { Command } from '../../shared/command.ts';
import type { ClusterId, EpochMs } from '../../shared/ids.ts';
import type { Waits } from '../../shared/limits.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { assertNever, err, ok, type Result } from '../../shared/result.ts';
import { type LogRecord, messageOf } from '../log.ts';
import type { ClusterStorage, LaneName, OutboxBody, OutboxRow } from './cluster-storage.ts';
import type { GatewayRpc } from './rpc.ts';

/** Rows taken at once. */
const BATCH_ROWS_MAX = 50;

export type CatalogueRow = Extract<OutboxBody, { kind: 'project-cluster' }>['row'];

export type EffectPorts = {
  now(): EpochMs;
  readonly waits: Pick<Waits, 'retryMsMin' | 'retryMsMax'>;
  readonly clusterId: ClusterId;
  gateway(): Pick<GatewayRpc, 'enqueue' | 'withdraw' | 'revokeRelayOf' | 'leaveQueue'>;
  project(row: CatalogueRow): Promise<void>;
  log(record: LogRecord): void;
};

/** Drains one lane until it is empty, fails or must wait. Never throws; a failure sets when the lane is tried again. */
export async function drainLane(storage: ClusterStorage, lane: LaneName, ports: EffectPorts): Promise<void> {
  for (;;) {
    const standing = storage.lane(lane);
    if (standing === null || standing.retryAt > ports.now()) return;
    const batch = takeBatch(storage.outbox(lane, BATCH_ROWS_MAX));
    const outcome = await carryOut(
      batch.map((row) => row.body),
      ports,
    );
    if (!outcome.ok) {
      const { retryMsMin, retryMsMax } = ports.waits;
      const retryAt = ports.now() + doubling(standing.failures, retryMsMin, retryMsMax);
      storage.laneFailed(lane, standing.failures + 1, retryAt);
      ports.log({ event: 'outbox-lane-failed', lane, failures: standing.failures + 1, cause: outcome.error.detail });
      return;
    }
    storage.delivered(
      lane,
      batch.map((row) => row.id),
    );
  }
}

/** The longest run of one kind at the front. */
function takeBatch(rows: readonly OutboxRow[]): OutboxRow[] {
  const end = rows.findIndex((row) => row.body.kind !== rows[0]?.body.kind);
  return rows.slice(0, end === -1 ? rows.length : end);
}

async function carryOut(bodies: readonly OutboxBody[], ports: EffectPorts): Promise<Result<null, ApiFailure>> {
  try {
    const commands: Command[] = [];
    for (const body of bodies) {
      switch (body.kind) {
        case 'send-command':
          commands.push(body.command);
          break;
        case 'withdraw-commands':
          await ports.gateway().withdraw(body.commandIds);
          break;
        case 'revoke-relay': {
          const revoked = await ports.gateway().revokeRelayOf(body.claim);
          if (!revoked.ok) return revoked;
          break;
        }
        case 'leave-queue':
          await ports.gateway().leaveQueue(ports.clusterId);
          break;
        case 'project-cluster':
          await ports.project(body.row);
          break;
        default:
          return assertNever(body);
      }
    }
    return commands.length === 0 ? ok(null) : await ports.gateway().enqueue(commands);
  } catch (error) {
    // The other side broke or did not answer: the lane is tried again.
    return err(apiFailure('UNAVAILABLE', messageOf(error)));
  }
}
