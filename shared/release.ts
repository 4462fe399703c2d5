// Releases: what runs on a gateway, as the control plane publishes it. One release names the relay's program and, for gateways on
// machines of MAAS, the image and the Kubernetes of those machines. It is a JSON text signed by the release key, which is kept
// offline: neither the console nor whoever holds its command key can make one. A relay pins that key when it pairs, or by its own
// settings, and takes nothing that is not signed by it, that is not newer, or whose bytes have another digest. Rules U1… in
// PROTOCOL.md.
import { z } from 'zod';
import { KubernetesLayer, OsLayer } from './cluster-profile.ts';
import { WaitingOnView } from './cluster-view.ts';
import { EpochMs } from './ids.ts';

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/);

/** MAJOR.MINOR.PATCH, nothing more: what is newer is never in question. */
export const ReleaseVersion = z.string().regex(/^(0|[1-9]\d{0,3})(\.(0|[1-9]\d{0,3})){2}$/, 'use MAJOR.MINOR.PATCH');
export type ReleaseVersion = z.infer<typeof ReleaseVersion>;

/** Below 0: `one` is older. */
export function compareVersions(one: ReleaseVersion, other: ReleaseVersion): number {
  const [a, b] = [one.split('.').map(Number), other.split('.').map(Number)];
  const first = a.findIndex((part, index) => part !== b[index]);
  return first < 0 ? 0 : (a[first] ?? 0) - (b[first] ?? 0);
}

/** `javascript` is the bundle that a relay run from its sources can take: for a lab. */
export const PROGRAM_PLATFORMS = ['linux-x64', 'linux-arm64', 'javascript'] as const;
export const ProgramPlatform = z.enum(PROGRAM_PLATFORMS);
export type ProgramPlatform = z.infer<typeof ProgramPlatform>;

/** Of one program. Twice what an executable weighs today. */
export const PROGRAM_BYTES_MAX = 256 * 1_048_576;

export const ReleaseProgram = z.strictObject({
  platform: ProgramPlatform,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  sizeBytes: z.int().positive().max(PROGRAM_BYTES_MAX),
});
export type ReleaseProgram = z.infer<typeof ReleaseProgram>;

/** What the machines of a gateway run; put in place of the same fields of its profile. */
export const MachinesRelease = z.strictObject({
  image: OsLayer.shape.image,
  kubernetesVersion: KubernetesLayer.shape.version,
  packageRepository: z.url().nullable(),
  kubeVipImage: KubernetesLayer.shape.kubeVipImage,
});
export type MachinesRelease = z.infer<typeof MachinesRelease>;

export const Severity = z.enum(['low', 'medium', 'high', 'critical']);
export type Severity = z.infer<typeof Severity>;

export const ReleaseManifest = z.strictObject({
  v: z.literal(1),
  version: ReleaseVersion,
  severity: Severity,
  /** One sentence each, for whoever decides. */
  changes: z.array(z.string().min(1).max(500)).min(1).max(50),
  /** At most one a platform. */
  programs: z.array(ReleaseProgram).min(1).max(PROGRAM_PLATFORMS.length),
  /** Null: the machines stay as they are. */
  machines: MachinesRelease.nullable(),
});
export type ReleaseManifest = z.infer<typeof ReleaseManifest>;

/** As it is published, stored and sent: the exact text that was signed, which parses as a `ReleaseManifest`. */
export const SignedRelease = z.strictObject({
  manifest: z.string().min(2).max(65_536),
  /** Ed25519 by the release key over the UTF-8 bytes of `manifest`. */
  signature: base64url.length(86),
});
export type SignedRelease = z.infer<typeof SignedRelease>;

/** Raw Ed25519 public key. */
export const ReleaseKey = base64url.length(43);

/** Null when the text is no manifest. Says nothing of the signature. */
export function readManifest({ manifest }: SignedRelease): ReleaseManifest | null {
  try {
    const parsed = ReleaseManifest.safeParse(JSON.parse(manifest));
    if (!parsed.success) return null;
    const platforms = parsed.data.programs.map(({ platform }) => platform);
    return new Set(platforms).size === platforms.length ? parsed.data : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Where the console serves a program, on its own origin; a relay adds its node's proof of nothing: programs are no secret. */
export const programPath = (version: ReleaseVersion, platform: ProgramPlatform): string =>
  `/v1/relay-programs/${version}/${platform}`;

export const ReleaseView = z.strictObject({
  ...ReleaseManifest.omit({ v: true }).shape,
  publishedAt: EpochMs,
});
export type ReleaseView = z.infer<typeof ReleaseView>;

export const AvailableUpgrade = z.strictObject({
  from: z.string().max(64),
  to: ReleaseVersion,
  severity: Severity,
  changes: ReleaseManifest.shape.changes,
  publishedAt: EpochMs,
});
export type AvailableUpgrade = z.infer<typeof AvailableUpgrade>;

/** Not before `startsAt`, and not begun after `endsAt`. */
export const MaintenanceWindow = z.strictObject({ startsAt: EpochMs, endsAt: EpochMs });
export type MaintenanceWindow = z.infer<typeof MaintenanceWindow>;

/** Left out: the newest release, now. */
export const UpgradeRequest = z.strictObject({
  version: ReleaseVersion.optional(),
  window: MaintenanceWindow.optional(),
});
export type UpgradeRequest = z.infer<typeof UpgradeRequest>;

/**
 * `scheduled`: waits for its window. `relays`: programs, standbys first, the leader last. `machines`: one after another.
 * `missed`: the window ended before it could begin. Ended ones are shown until the next is asked for.
 */
export const UpgradeStage = z.enum(['scheduled', 'relays', 'machines', 'done', 'failed', 'missed', 'cancelled']);
export type UpgradeStage = z.infer<typeof UpgradeStage>;

export const GatewayUpgradeView = z.strictObject({
  from: z.string().max(64),
  to: ReleaseVersion,
  stage: UpgradeStage,
  window: MaintenanceWindow.nullable(),
  requestedAt: EpochMs,
  startedAt: EpochMs.nullable(),
  endedAt: EpochMs.nullable(),
  failure: z.strictObject({ code: z.string().max(64), message: z.string().max(2_000) }).nullable(),
  waitingOn: z.array(WaitingOnView),
});
export type GatewayUpgradeView = z.infer<typeof GatewayUpgradeView>;
