// The Worker's bindings and settings. Objects are reached by `clusterOf` and `gatewayOf` only, so that a name is always made
// from scope and id, and the jurisdiction is never forgotten.
import { z } from 'zod';
import { type ClusterId, type GatewayId, type Jurisdiction, objectName, type Scope } from '../shared/ids.ts';
import { type EdgeWaits, PRODUCTION_WAITS } from '../shared/limits.ts';
import type { ClusterRpc, GatewayRpc } from './objects/rpc.ts';

export type Env = {
  readonly CATALOGUE: D1Database;
  readonly CLUSTER: DurableObjectNamespace;
  readonly GATEWAY: DurableObjectNamespace;
  /** Programs of releases. */
  readonly RELEASES: R2Bucket;
  /** Lets the first tenant and its admin key be made, once. */
  readonly SETUP_SECRET?: string;
  /** Ed25519 private key that signs commands: PKCS#8 in base64, or a JWK. */
  readonly COMMAND_KEY?: string;
  /** Raw Ed25519 public key that signs releases, base64url; without it none can be published. */
  readonly RELEASE_KEY?: string;
  /** `https://host` that relays and users dial; without it the origin of the request counts (local use). */
  readonly PUBLIC_ORIGIN?: string;
  /** JSON that overrides some of `Waits`, for a lab or a test. */
  readonly WAITS?: string;
};

/** The object of a cluster. Take a new one for each call: a stub that has failed stays failed. */
export function clusterOf(env: Env, scope: Scope, id: ClusterId): ClusterRpc {
  // An RPC stub is a proxy that answers every method; Cloudflare's type of it gives up on recursive JSON types.
  return inJurisdiction(env.CLUSTER, scope.jurisdiction).getByName(objectName(scope, id)) as unknown as ClusterRpc;
}

/** The object of a gateway. Take a new one for each call: a stub that has failed stays failed. */
export function gatewayOf(env: Env, scope: Scope, id: GatewayId): GatewayRpc {
  // As in clusterOf.
  return gatewayStub(env, scope.jurisdiction, objectName(scope, id)) as unknown as GatewayRpc;
}

/** The gateway object by its whole name, for the tunnel's upgrade. */
export function gatewayStub(env: Env, jurisdiction: Jurisdiction, name: string): DurableObjectStub {
  return inJurisdiction(env.GATEWAY, jurisdiction).getByName(name);
}

/** Tells a gateway's object which origin the relay dialled. Set by api/tunnel.ts: what a client sends under this name counts for nothing. */
export const ORIGIN_HEADER = 'slipway-origin';

/** The origin that others dial, such as `https://slipway.example`. */
export function publicOrigin(env: Env, requestUrl: string): string {
  return env.PUBLIC_ORIGIN ? new URL(env.PUBLIC_ORIGIN).origin : new URL(requestUrl).origin;
}

const WAIT_NAMES = [
  'leaseMs',
  'leaseGuardMs',
  'unknownClaimLookupMs',
  'allocateDeadlineMs',
  'deployDeadlineMs',
  'joinDeadlineMs',
  'releaseDeadlineMs',
  'commandDeadlineMs',
  'shortageDeadlineMs',
  'retryMsMin',
  'retryMsMax',
] as const satisfies readonly (keyof EdgeWaits)[];
const WaitsOverride = z.partialRecord(z.enum(WAIT_NAMES), z.int().nonnegative());

/** Production's waits with the overrides of `WAITS`. Throws when they are not of the form: a wrong setting must not go unseen. */
export function waitsOf(env: Env): EdgeWaits {
  return env.WAITS ? { ...PRODUCTION_WAITS, ...WaitsOverride.parse(JSON.parse(env.WAITS)) } : PRODUCTION_WAITS;
}

function inJurisdiction(namespace: DurableObjectNamespace, jurisdiction: Jurisdiction): DurableObjectNamespace {
  return jurisdiction === 'default' ? namespace : namespace.jurisdiction(jurisdiction);
}
