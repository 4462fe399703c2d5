// Every bound of the system: unit in the name, why, and where it comes from. Ranges are checked where input is parsed.

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

// --- HTTP API
/** A request body. Cluster specs with files stay far below; larger ones are refused before they are read. */
export const API_BODY_BYTES_MAX = 1_048_576;
/** JSON nesting. Ours needs 8; V8 takes 100,000 and then recursion of others does not. */
export const API_JSON_DEPTH_MAX = 32;
export const API_PAGE_SIZE_MAX = 200;
export const API_PAGE_SIZE_DEFAULT = 50;
/** How long the API waits for one answer of an object: they answer from memory and SQLite, so more is a fault. */
export const API_OBJECT_MS_MAX = 10 * SECOND_MS;
/** How long the API waits for a relay's answer: one MAAS call at its longest, and slack for the tunnel. */
export const API_ASK_MS_MAX = 45 * SECOND_MS;
/** For the relays of a gateway to look around, all at once; below what an ask may take. */
export const DIAGNOSTICS_MS_MAX = 40 * SECOND_MS;
/** For one of a relay's probes of MAAS. */
export const PROBE_MS_MAX = 15 * SECOND_MS;
/** What a relay found so long ago says nothing of now. */
export const EVIDENCE_MS_MAX = HOUR_MS;
/** An event stream ends after this long; the client resumes with Last-Event-ID. */
export const EVENT_STREAM_MS_MAX = 5 * MINUTE_MS;
export const EVENT_STREAM_POLL_MS = SECOND_MS;
/** A comment this often keeps proxies from closing a quiet stream. */
export const EVENT_STREAM_BEAT_MS = 15 * SECOND_MS;
/** A request that holds an Idempotency-Key and has not ended after this long has died; the key may be taken over. */
export const IDEMPOTENCY_LOCK_MS = 2 * MINUTE_MS;
/** How long an Idempotency-Key answers with the first result (features C6). */
export const IDEMPOTENCY_KEY_MS = 24 * HOUR_MS;
/** A deleted cluster stays readable and its name stays taken this long (architecture ruling 13.12). */
export const DELETED_CLUSTER_KEPT_MS = 72 * HOUR_MS;

// --- Pairing and tunnel
export const PAIRING_CODE_MS = 24 * HOUR_MS; // architecture ruling 13.5
/** A code that a relay makes for a machine of its own gateway: from the document fetched to the relay installed. */
export const NODE_CODE_MS = 30 * MINUTE_MS;
/** Unused codes made by relays. A gateway has at most 7 machines, each with some tries. */
export const NODE_CODES_MAX = 32;
/** No relay seen for so long: a gateway may be given up with what it holds (features G10). */
export const GATEWAY_ORPHAN_MS = 15 * MINUTE_MS;
export const PAIRING_TRIES_PER_MINUTE_MAX = 10; // per address
export const PAIRING_NONCE_MS = 2 * MINUTE_MS;
/** Relay pings at this pace, also at rest; answered by the runtime without waking the object, so it costs nothing. */
export const TUNNEL_PING_MS = 15 * SECOND_MS;
/**
 * A relay whose ping is not answered so soon dials anew: a connection that some firewall forgot carries nothing and tells
 * nobody. Found within ping and this, 25 s, so that work goes on within half a minute.
 */
export const TUNNEL_PONG_MS = 10 * SECOND_MS;
/** No ping answered for this long: the tunnel counts as disconnected. Two missed pings and slack. */
export const TUNNEL_DEAD_MS = 45 * SECOND_MS;
export const TUNNEL_HANDSHAKE_MS = 10 * SECOND_MS;
/** One frame. Cloudflare takes 32 MiB; ours stay small so that one never blocks a heartbeat for long. */
export const TUNNEL_FRAME_BYTES_MAX = 4 * 1_048_576;
export const REDIAL_MS_MIN = SECOND_MS;
export const REDIAL_MS_MAX = MINUTE_MS; // architecture ruling 13.10
/** Handshakes a second that a mass redial is spread over. */
export const REDIAL_FLEET_PER_SECOND = 500;
/** Unsettled commands of one gateway (invariant I17). */
export const GATEWAY_QUEUE_MAX = 1_000;
/** Machines of one gateway being deployed at once (architecture ruling 13.4). */
export const DEPLOYS_IN_FLIGHT_MAX = 50;
/** A settled report is kept this long for a relay that asks again. */
export const SETTLED_COMMAND_KEPT_MS = 7 * 24 * HOUR_MS;

// --- Lease (architecture ruling 13.9)
export const LEASE_MS = 15 * SECOND_MS;
/** The relay stops mutating this long after it asked, so its end comes before the edge's end. */
export const LEASE_RELAY_MS = 12 * SECOND_MS;
export const LEASE_RENEW_MS = 5 * SECOND_MS;
/** lease 15 s + longest MAAS call 30 s + 5 s: what an old epoch may still be doing. */
export const LEASE_GUARD_MS = 50 * SECOND_MS;

// --- MAAS
export const MAAS_CALL_MS_MAX = 30 * SECOND_MS; // architecture ruling 13.8: then the outcome is unknown
export const MAAS_CALLS_IN_FLIGHT_MAX = 4; // maasserver/concurrency.py: a region worker serves four
export const MAAS_POLL_BUSY_MS = 3 * SECOND_MS;
export const MAAS_POLL_REST_MS = 30 * SECOND_MS;
export const MAAS_FULL_PASS_MS = MINUTE_MS;
/** MAAS refuses a clock that lags more (piston oauth). */
export const MAAS_CLOCK_SKEW_MS_MAX = 300 * SECOND_MS;

// --- Upgrade of a gateway (features G9)
/** One program fetched, tried and settled: 120 MB at 1 MB a second, a trial, and the heartbeats. */
export const UPGRADE_NODE_DEADLINE_MS = 20 * MINUTE_MS;
/** A new program without a heartbeat for so long gives way to the former. */
export const UPGRADE_HEARTBEAT_MS = 120 * SECOND_MS;
/** From the new program started to its trial session welcomed. */
export const UPGRADE_TRIAL_MS = MINUTE_MS;
/** Clusters that wait for an upgrade of their gateway; more are refused. */
export const QUEUED_CLUSTERS_MAX = 1_000;

// --- Planner
/** Candidates in one `ensure-allocated` or `ensure-address`. */
export const CANDIDATES_MAX = 5;
/** Machines tried in one slot before the cluster fails with a reason. */
export const SLOT_TRIES_MAX = 3;
/** A request that finds no machines waits this long (architecture ruling 13.4). */
export const SHORTAGE_DEADLINE_MS = 24 * HOUR_MS;
/** Claim and verify one machine, with every candidate and retry. */
export const ALLOCATE_DEADLINE_MS = 5 * MINUTE_MS;
/** Above MAAS's own limit of 60 min (2 x node_timeout), so that MAAS may fail the machine first. */
export const DEPLOY_DEADLINE_MS = 75 * MINUTE_MS;
/** From the bootstrap document handed out to a node that Kubernetes calls Ready (features 1.12). */
export const JOIN_DEADLINE_MS = 20 * MINUTE_MS;
/** From enrolled to the document fetched. */
export const BOOTSTRAP_FETCH_DEADLINE_MS = 5 * MINUTE_MS;
/** From asked to Ready again, without erasing; MAAS itself gives up after 5 min. */
export const RELEASE_DEADLINE_MS = 15 * MINUTE_MS;
export const ERASE_DEADLINE_MS = 12 * HOUR_MS;
/** A release that fails is asked for again so often before a human is called. It goes on being asked, more slowly. */
export const RELEASE_TRIES_MAX = 3;
/** A claim whose allocate had an unknown outcome is looked up until this long after (architecture ruling 13.2 d). */
export const UNKNOWN_CLAIM_LOOKUP_MS = 10 * MINUTE_MS;
/** A plain command (identity, address, manifests, certificate) and its retries. */
export const COMMAND_DEADLINE_MS = 5 * MINUTE_MS;
/** The longest drain before a human is asked (features 4.4). */
export const DRAIN_DEADLINE_MS = 15 * MINUTE_MS;
/** A bad machine is left alone: doubling from the first to the last (features row 6). */
export const QUARANTINE_MS_MIN = HOUR_MS;
export const QUARANTINE_MS_MAX = 7 * 24 * HOUR_MS;
/** Timeline entries kept for one cluster; the oldest go first. */
export const TIMELINE_ENTRIES_MAX = 5_000;

// --- Enrolment and bootstrap
export const JOIN_TOKEN_MS = 10 * MINUTE_MS; // architecture ruling 13.7
export const KUBECONFIG_MS_MAX = 8 * HOUR_MS;
export const REPORT_LOG_BYTES_MAX = 16_384;
/** MAAS accepts 256 KiB of user-data; ours is about 8 KiB. */
export const USER_DATA_BYTES_MAX = 65_536;
/** A machine asks again at this pace while it is not its turn. */
export const ENROLMENT_POLL_MS = 2 * SECOND_MS;

// --- Pools (features N2)
export const CONTROL_PLANE_SIZE_MAX = 7;
export const WORKER_POOL_SIZE_MAX = 1_000;
export const POOLS_MAX = 32;

/** The waits that a lab or a test may shorten, since it can't sit through 75 minutes. Production uses the constants above. */
export type Waits = {
  readonly leaseGuardMs: number;
  readonly unknownClaimLookupMs: number;
  readonly allocateDeadlineMs: number;
  readonly deployDeadlineMs: number;
  readonly joinDeadlineMs: number;
  readonly releaseDeadlineMs: number;
  readonly commandDeadlineMs: number;
  readonly shortageDeadlineMs: number;
  readonly retryMsMin: number;
  readonly retryMsMax: number;
};

/** With the wait that only the gateway's object knows: how long a lease runs on when the relay that holds it is gone. */
export type EdgeWaits = Waits & { readonly leaseMs: number };

export const PRODUCTION_WAITS: EdgeWaits = {
  leaseMs: LEASE_MS,
  leaseGuardMs: LEASE_GUARD_MS,
  unknownClaimLookupMs: UNKNOWN_CLAIM_LOOKUP_MS,
  allocateDeadlineMs: ALLOCATE_DEADLINE_MS,
  deployDeadlineMs: DEPLOY_DEADLINE_MS,
  joinDeadlineMs: JOIN_DEADLINE_MS,
  releaseDeadlineMs: RELEASE_DEADLINE_MS,
  commandDeadlineMs: COMMAND_DEADLINE_MS,
  shortageDeadlineMs: SHORTAGE_DEADLINE_MS,
  retryMsMin: 2 * SECOND_MS,
  retryMsMax: 2 * MINUTE_MS,
};
