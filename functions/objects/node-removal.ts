// How nodes end: one is revoked, or the gateway's key is given up with all that had it (N6, N7).
import type { CommandId } from '../../shared/command.ts';
import type { EpochMs, RelayNodeId } from '../../shared/ids.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { LogRecord } from '../log.ts';
import type { GatewayStorage } from './gateway-storage.ts';
import type { KeyExchange } from './key-exchange.ts';

const LAST_HOLDER =
  'This node alone holds the gateway’s key: without it every secret sealed to the gateway becomes unreadable. Confirm with the gateway’s name.';

export type RemovalPorts = {
  now(): EpochMs;
  readonly storage: GatewayStorage;
  readonly keys: KeyExchange;
  /** Closes the node's sessions as revoked. */
  revoke(nodeId: RelayNodeId): void;
  sendWithdraw(ids: readonly CommandId[]): void;
  /** Whether a relay that holds the gateway's key is connected. */
  isConnected(): boolean;
  log(record: LogRecord): void;
};

export function revokeNode(ports: RemovalPorts, nodeId: RelayNodeId, giveUpKey: boolean): Result<null, ApiFailure> {
  const { storage, keys } = ports;
  const node = storage.node(nodeId);
  if (node === null) return err(apiFailure('NOT_FOUND'));
  const isLast = node.holdsKey && !storage.nodes().some((one) => one.nodeId !== nodeId && one.holdsKey);
  if (isLast && !giveUpKey) return err(apiFailure('CONFIRMATION_REQUIRED', LAST_HOLDER));
  ports.sendWithdraw(keys.drop(nodeId));
  ports.revoke(nodeId);
  storage.removeNode(nodeId);
  ports.log({ event: 'node-revoked', node: nodeId });
  return ok(null);
}

/** May be repeated: a gateway without a key stays as it is. */
export function resetKey(ports: RemovalPorts): Result<null, ApiFailure> {
  const { storage, keys } = ports;
  const gateway = storage.gateway();
  if (gateway === null) return err(apiFailure('NOT_FOUND'));
  if (ports.isConnected()) return err(apiFailure('GATEWAY_KEY_HELD'));
  if (gateway.sealingKey === null) return ok(null);
  for (const { nodeId, holdsKey } of storage.nodes()) {
    ports.sendWithdraw(keys.drop(nodeId));
    if (holdsKey) ports.revoke(nodeId);
  }
  storage.resetKey(ports.now());
  ports.log({ event: 'gateway-key-given-up', version: gateway.keyVersion });
  return ok(null);
}
