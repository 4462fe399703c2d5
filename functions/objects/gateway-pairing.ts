// Pairing: a one-time code turns a relay into a node of the gateway. Exactly one identity wins a code (I18); the winner may
// repeat its request and gets the same answer. The first node brings the gateway's key, a further one waits for it (N1).
import type { Claim } from '../../shared/claim.ts';
import { type EpochMs, objectName, RelayNodeId, randomPart } from '../../shared/ids.ts';
import { PAIRING_NONCE_MS } from '../../shared/limits.ts';
import { type PairingChallenge, type PairingRequest, type PairingResponse, pairingText } from '../../shared/pairing.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { toBase64url } from '../sign-command.ts';
import type { GatewayRecord, GatewayStorage } from './gateway-storage.ts';
import type { NodeRecord } from './relay-nodes.ts';
import type { Sql } from './sql.ts';

const NONCE_BYTES = 32;

export type PairingPorts = {
  now(): EpochMs;
  readonly sql: Sql;
  readonly storage: GatewayStorage;
  randomBytes(count: number): Uint8Array;
  verify(key: string, text: string, signature: string): Promise<boolean>;
  /** Raw public key that signs commands. */
  commandKey(): Promise<string>;
  /** What signs releases; null when there is none. */
  readonly releaseKey: string | null;
};

export type Paired = {
  readonly response: PairingResponse;
  /** Nodes that were of the same machine before: it was set up again, and they are nodes no more (I3). */
  readonly replaced: readonly RelayNodeId[];
};

export function pairingChallenge(
  ports: PairingPorts,
  codeHash: string,
  origin: string,
): Result<PairingChallenge, ApiFailure> {
  const now = ports.now();
  const code = usableCode(ports, codeHash, now);
  // The winner of a code may ask again: its answer may have been lost.
  if (!code.ok && code.error.code !== 'PAIRING_CODE_USED') return code;
  const nonce = toBase64url(ports.randomBytes(NONCE_BYTES));
  ports.storage.putNonce(nonce, codeHash, origin, now + PAIRING_NONCE_MS, now);
  return ok({ nonce, origin });
}

export async function pair(
  ports: PairingPorts,
  request: PairingRequest,
  origin: string,
): Promise<Result<Paired, ApiFailure>> {
  const known = usableCode(ports, request.codeHash, ports.now());
  if (!known.ok && known.error.code !== 'PAIRING_CODE_USED') return known;
  const proven = await ports.verify(request.identityKey, pairingText(request, origin), request.signature);
  const commandKey = await ports.commandKey();
  if (!proven) return err(apiFailure('PAIRING_PROOF_INVALID', 'The signature does not fit the key.'));
  // Everything that decides is looked at again in here: others may have come while the signature was checked.
  return ports.storage.atomically(() => consume(ports, request, origin, commandKey));
}

function consume(
  ports: PairingPorts,
  request: PairingRequest,
  origin: string,
  commandKey: string,
): Result<Paired, ApiFailure> {
  const now = ports.now();
  const gateway = ports.storage.gateway();
  if (gateway === null) return err(apiFailure('PAIRING_CODE_UNKNOWN'));
  const nonce = ports.storage.nonce(request.nonce);
  if (nonce === null || nonce.expiresAt <= now || nonce.codeHash !== request.codeHash || nonce.origin !== origin)
    return err(apiFailure('PAIRING_PROOF_INVALID', 'The challenge is unknown or older than two minutes.'));
  const known = ports.storage.nodeByKey(request.identityKey);
  const code = usableCode(ports, request.codeHash, now);
  if (!code.ok) {
    const isWinner = known !== null && ports.storage.code(request.codeHash)?.usedBy === known.nodeId;
    return code.error.code === 'PAIRING_CODE_USED' && isWinner
      ? ok({ response: responseFor(gateway, known, commandKey, ports.releaseKey), replaced: [] })
      : code;
  }
  const keyAgreementKey = request.keyAgreementKey ?? null;
  const holdsKey = gateway.sealingKey === null || gateway.sealingKey === request.sealingKey;
  if (!holdsKey && keyAgreementKey === null) {
    const detail = 'This relay is too old to be given the gateway’s key: update it, then pair it again.';
    return err(apiFailure('PAIRING_PROOF_INVALID', detail));
  }
  const node = {
    nodeId: known?.nodeId ?? RelayNodeId.parse(`nod_${randomPart(ports.randomBytes(20))}`),
    identityKey: request.identityKey,
    hostname: request.hostname,
    // The program that pairs a folder anew is the installed one, and what serves from it may be a later one: its hello says (UP5).
    relayVersion: known?.relayVersion ?? request.relayVersion,
    pairedAt: now,
    // A node that an admin lets in again is still on the machine it was made for.
    claim: code.value.claim ?? known?.claim ?? null,
    ...{ keyAgreementKey, holdsKey },
  };
  ports.storage.putNode(node);
  ports.storage.useCode(request.codeHash, node.nodeId);
  // N1. A further node's offer changes nothing.
  ports.storage.setFirstSealingKey(request.sealingKey);
  const sealingKey = gateway.sealingKey ?? request.sealingKey;
  const response = responseFor({ ...gateway, sealingKey }, node, commandKey, ports.releaseKey);
  const line = {
    kind: 'paired',
    message: `A relay on ${node.hostname} (${node.nodeId}, ${node.relayVersion}) paired.`,
  };
  ports.storage.timeline.add([line], now);
  return ok({ response, replaced: replacedBy(ports, node) });
}

/** One node a claim: takes the others out and names them. */
function replacedBy(
  { storage }: PairingPorts,
  { nodeId, claim }: Pick<NodeRecord, 'nodeId' | 'claim'>,
): readonly RelayNodeId[] {
  const others = claim === null ? [] : storage.nodesOfClaim(claim).filter((one) => one.nodeId !== nodeId);
  for (const other of others) storage.removeNode(other.nodeId);
  return others.map((other) => other.nodeId);
}

function usableCode(
  ports: PairingPorts,
  codeHash: string,
  now: EpochMs,
): Result<{ readonly claim: Claim | null }, ApiFailure> {
  const gateway = ports.storage.gateway();
  const code = gateway === null || gateway.removedAt !== null ? null : ports.storage.code(codeHash);
  if (code === null) return err(apiFailure('PAIRING_CODE_UNKNOWN'));
  if (code.usedBy !== null) return err(apiFailure('PAIRING_CODE_USED'));
  const detail = code.claim === null ? undefined : 'A code for a gateway’s own machine is good for 30 minutes.';
  if (code.expiresAt <= now) return err(apiFailure('PAIRING_CODE_EXPIRED', detail));
  return ok({ claim: code.claim });
}

function responseFor(
  gateway: GatewayRecord,
  node: Pick<NodeRecord, 'nodeId' | 'pairedAt' | 'keyAgreementKey'>,
  commandKey: string,
  releaseKey: string | null,
): PairingResponse {
  return {
    scope: gateway.scope,
    gatewayId: gateway.gatewayId,
    gatewayName: gateway.name,
    nodeId: node.nodeId,
    commandKey,
    tunnelPath: tunnelPathOf(gateway),
    pairedAt: node.pairedAt,
    ...(releaseKey === null ? {} : { releaseKey }),
    ...(node.keyAgreementKey === null || gateway.sealingKey === null ? {} : { sealingKey: gateway.sealingKey }),
  };
}

const tunnelPathOf = ({ scope, gatewayId }: GatewayRecord): string =>
  `/v1/tunnel?object=${encodeURIComponent(objectName(scope, gatewayId))}`;
