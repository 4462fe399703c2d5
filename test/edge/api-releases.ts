// Releases as a test publishes them: programs in the bucket, the manifest signed by the key that the Worker knows.
import { env } from 'cloudflare:workers';
import { toBase64url } from '../../functions/sign-command.ts';
import {
  type ProgramPlatform,
  programKey,
  type ReleaseManifest,
  ReleaseView,
  type SignedRelease,
} from '../../shared/release.ts';
import { answerOf, callApi, SETUP_SECRET } from './call-api.ts';

export const PROGRAM = 'the program';

export const manifestOf = (version: string, more: Partial<ReleaseManifest> = {}): ReleaseManifest => ({
  ...{ v: 1, version, severity: 'high', changes: ['Mends a leak.'], machines: null },
  programs: [{ platform: 'linux-x64', sha256: '0'.repeat(64), sizeBytes: PROGRAM.length }],
  ...more,
});

export async function signText(manifest: string): Promise<SignedRelease> {
  const der = Uint8Array.from(atob(env.TEST_RELEASE_SIGNER), (character) => character.charCodeAt(0));
  const key = await crypto.subtle.importKey('pkcs8', der, 'Ed25519', false, ['sign']);
  const signature = await crypto.subtle.sign('Ed25519', key, new TextEncoder().encode(manifest));
  return { manifest, signature: toBase64url(new Uint8Array(signature)) };
}

export const put = (version: string, platform: ProgramPlatform = 'linux-x64', content = PROGRAM) =>
  env.RELEASES.put(programKey(version, platform), content);

export const post = (json: unknown, key = SETUP_SECRET) =>
  callApi('POST', '/v1/gateway-releases', { key, json, headers: { 'cf-connecting-ip': nextAddress() } });

/** Stored, signed and published. */
export async function publish(version: string, more: Partial<ReleaseManifest> = {}): Promise<ReleaseView> {
  await put(version);
  return answerOf(post(await signText(JSON.stringify(manifestOf(version, more)))), 201, ReleaseView);
}

let addresses = 0;
/** Tries are counted for each address; that limit is another test's. */
const nextAddress = (): string => `203.0.113.${(addresses++ % 250) + 1}`;
