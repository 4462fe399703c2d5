// The frames of the tunnel. JSON text, one object a WebSocket message, every one versioned by `v`. Rules T1… in PROTOCOL.md.
import { z } from 'zod';
import { Claim } from './claim.ts';
import { Command, CommandId, CommandOutcome } from './command.ts';
import { AgreementKey, NodeState } from './gateway-key.ts';
import { EpochMs, GatewayId, RelayNodeId } from './ids.ts';
import { Installation, InstallationState } from './installation.ts';
import { Observation } from './observation.ts';

export const PROTOCOL_VERSION = 1;

/** WebSocket close codes of ours (4000–4999 are free for applications). */
export const CLOSE = {
  SUPERSEDED: 4001,
  BAD_HANDSHAKE: 4002,
  REVOKED: 4003,
  VERSION_UNSUPPORTED: 4004,
  BAD_FRAME: 4005,
  CLONE_DETECTED: 4008,
  HANDSHAKE_TIMEOUT: 4009,
  SILENT: 4010,
} as const;

/** Sent by the relay as bare text, answered by the runtime while the object sleeps. */
export const PING = 'ping';
export const PONG = 'pong';

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/);
/** `host:port` where machines reach a node's enrolment endpoint. */
const EnrolmentAddress = z.string().max(270);
const frame = <T extends string, A extends z.ZodRawShape>(type: T, shape: A) =>
  z.strictObject({ v: z.literal(PROTOCOL_VERSION), type: z.literal(type), ...shape });

/** What a `deliver` frame signs: the exact bytes of `payload`. */
export const DeliverPayload = z.strictObject({
  gatewayId: GatewayId,
  nodeId: RelayNodeId,
  sessionId: z.string().max(64),
  /** Rises by one with each deliver of a session. */
  seq: z.int().nonnegative(),
  at: EpochMs,
  commands: z.array(Command).min(1).max(100),
});
export type DeliverPayload = z.infer<typeof DeliverPayload>;

export const EdgeFrame = z.discriminatedUnion('type', [
  frame('challenge', { nonce: base64url.min(22).max(64), origin: z.string().max(255) }),
  frame('welcome', {
    sessionId: z.string().max(64),
    redialSpreadMs: z.int().nonnegative(),
    at: EpochMs,
    /** Commands the gateway holds as unsettled: anything else the relay stands on is over (supersession while away). */
    outstanding: z.array(CommandId),
  }),
  /** `signature` is Ed25519 over the UTF-8 bytes of `payload`, by the command key pinned in the pairing code. */
  frame('deliver', { payload: z.string(), signature: base64url.max(128) }),
  frame('report-ack', { commandIds: z.array(CommandId).max(1_000) }),
  frame('observation-ack', { seq: z.int().nonnegative() }),
  /** The lease of this incarnation. Durations, never moments: clocks differ. */
  frame('lease', {
    epoch: z.int().nonnegative(),
    durationMs: z.int().nonnegative(),
    /** Clusters and subjects an older epoch may still be changing: wait this long from now before a mutation of them. */
    guards: z.array(z.strictObject({ clusterId: z.string(), subject: z.string(), waitMs: z.int().nonnegative() })),
  }),
  frame('lease-refused', { retryAfterMs: z.int().nonnegative() }),
  /** Stop what stands under these ids: superseded or withdrawn. */
  frame('withdraw', { commandIds: z.array(CommandId).max(1_000) }),
  /** What this node is now (N5); the answer to `node-status`, and again whenever it changes. */
  frame('standing', {
    state: NodeState,
    leader: z.boolean(),
    /** Where the other active nodes serve enrolment, the leader's first, for user-data and E2. Worth nothing without the authority that machines pin. */
    peers: z.array(EnrolmentAddress).max(64),
  }),
  /** The code may be given out (I3). */
  frame('pairing-code-ack', { codeHash: base64url.length(43) }),
  /** Answers each `installation` (I1). */
  frame('installation-state', { state: InstallationState }),
]);
export type EdgeFrame = z.infer<typeof EdgeFrame>;

export const RelayFrame = z.discriminatedUnion('type', [
  frame('hello', {
    gatewayId: GatewayId,
    nodeId: RelayNodeId,
    /** New at each start of the process: (node, boot) is an incarnation. */
    bootId: z.string().max(64),
    /** Rises with each session of the node, kept on disk: a stale one means a cloned state folder. */
    joinCounter: z.int().nonnegative(),
    relayVersion: z.string().max(64),
    /** A new program looks whether it gets through, beside the session of the old one (U3). Absent: a session like any. */
    trial: z.literal(true).optional(),
    /** Ed25519 by the node's identity key over `helloText`. */
    signature: base64url.max(128),
  }),
  frame('receipt', { commandIds: z.array(CommandId).min(1).max(100) }),
  frame('report', { commandId: CommandId, outcome: CommandOutcome, epoch: z.int().nonnegative().nullable() }),
  frame('observations', { seq: z.int().nonnegative(), observations: z.array(Observation).min(1).max(500) }),
  /** `epoch`: the one held now, to renew; null to ask for the lead. */
  frame('lease-request', { epoch: z.int().nonnegative().nullable() }),
  /** It is needed no more: that it is not renewed means nothing bad (L6). */
  frame('lease-release', { epoch: z.int().nonnegative() }),
  /** After `welcome`, and whenever it changes (N5). */
  frame('node-status', {
    /** The gateway's key as this node holds it; null when it holds none. */
    sealingKey: AgreementKey.nullable(),
    /** Where machines reach this node's enrolment endpoint. */
    addresses: z.array(EnrolmentAddress).max(16),
    /** The node's clock. */
    at: EpochMs,
  }),
  /** This node made a one-time code for the relay of a machine of the gateway's own; given out only when acknowledged (I3). */
  frame('pairing-code', { codeHash: base64url.length(43), claim: Claim }),
  /** What an installer registers; sent again to hear how far it is (I1). */
  frame('installation', { installation: Installation }),
  /** This node's work is done: others hold the key, and it asks to be a node no more (I4). The edge closes as revoked. */
  frame('node-leave', {}),
]);
export type RelayFrame = z.infer<typeof RelayFrame>;

/** What the `hello` signature covers: bound to this challenge, this origin, this node and this boot. */
export function helloText(
  challenge: { nonce: string; origin: string },
  hello: {
    gatewayId: string;
    nodeId: string;
    bootId: string;
    joinCounter: number;
    relayVersion: string;
    trial?: true | undefined;
  },
): string {
  return [
    'slipway/hello/1',
    challenge.nonce,
    challenge.origin,
    hello.gatewayId,
    hello.nodeId,
    hello.bootId,
    String(hello.joinCounter),
    hello.relayVersion,
    ...(hello.trial === true ? ['trial'] : []),
  ].join('\n');
}

/** A frame as the wire carries it. */
export function encodeFrame(value: EdgeFrame | RelayFrame): string {
  return JSON.stringify(value);
}
