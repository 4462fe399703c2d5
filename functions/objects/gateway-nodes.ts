// How nodes come to a gateway and go: pairing, and whatever ends one. Of a gateway that stands.
import type { Claim } from '../../shared/claim.ts';
import type { EpochMs, RelayNodeId } from '../../shared/ids.ts';
import type { PairingRequest, PairingResponse } from '../../shared/pairing.ts';
import type { ApiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { type PairingPorts, pair } from './gateway-pairing.ts';
import type { KeyExchange } from './key-exchange.ts';
import { type RemovalPorts, resetKey, revokeNode } from './node-removal.ts';
import { sendWithdraw } from './send-withdraw.ts';
import type { Standings } from './standings.ts';
import type { Sockets } from './tunnel-session.ts';

export type GatewayNodesPorts = Omit<PairingPorts, 'now'> &
  Omit<RemovalPorts, 'sendWithdraw'> & {
    readonly sockets: Sockets;
    readonly keys: KeyExchange;
    readonly standings: Standings;
    deliverAndTell(): void;
  };

export class GatewayNodes {
  readonly #ports: GatewayNodesPorts;

  constructor(ports: GatewayNodesPorts) {
    this.#ports = ports;
  }

  /** A new code instead of those that an admin asked for and nobody used. */
  renewCode(codeHash: string, expiresAt: EpochMs): Result<null, ApiFailure> {
    this.#ports.storage.putCode(codeHash, expiresAt);
    return ok(null);
  }

  async pair(request: PairingRequest, origin: string): Promise<Result<PairingResponse, ApiFailure>> {
    const { sockets, keys, standings, revoke, deliverAndTell } = this.#ports;
    const paired = await pair(this.#ports, request, origin);
    if (!paired.ok) return paired;
    const { response, replaced } = paired.value;
    // What was under way for this node is of its pairing before.
    for (const nodeId of [response.nodeId, ...replaced]) sendWithdraw(sockets, keys.drop(nodeId));
    for (const nodeId of replaced) revoke(nodeId);
    await keys.plan();
    standings.changed();
    deliverAndTell();
    return ok(response);
  }

  revoke(nodeId: RelayNodeId, giveUpKey: boolean): Result<null, ApiFailure> {
    const revoked = revokeNode(this.#removal(), nodeId, giveUpKey);
    this.#ports.deliverAndTell();
    return revoked;
  }

  /** As `revoke`; null when it was done. */
  end(nodeId: RelayNodeId): ApiFailure | null {
    const revoked = this.revoke(nodeId, false);
    return revoked.ok ? null : revoked.error;
  }

  revokeRelayOf(claim: Claim): Result<null, ApiFailure> {
    const { storage, now } = this.#ports;
    storage.codes.drop(claim, now());
    for (const { nodeId } of storage.nodesOfClaim(claim)) {
      const revoked = this.revoke(nodeId, false);
      if (!revoked.ok) return err(revoked.error);
    }
    return ok(null);
  }

  resetKey(): Result<null, ApiFailure> {
    const reset = resetKey(this.#removal());
    this.#ports.deliverAndTell();
    return reset;
  }

  #removal(): RemovalPorts {
    return { ...this.#ports, sendWithdraw: (ids) => sendWithdraw(this.#ports.sockets, ids) };
  }
}
