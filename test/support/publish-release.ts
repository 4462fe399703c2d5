// A release as an operator publishes it: its programs stored, its manifest signed, and told to the console.
import { createHash, createPrivateKey, sign } from 'node:crypto';
import { ProgramPlatform, type ReleaseManifest, ReleaseView, type SignedRelease } from '../../shared/release.ts';
import type { ControlPlane } from './control-plane.ts';

export type Programs = Partial<Record<ProgramPlatform, Uint8Array>>;
export type NewRelease = Omit<ReleaseManifest, 'v' | 'programs'>;

/** @param signer PKCS#8, base64 */
export function signedRelease(signer: string, release: NewRelease, programs: Programs): SignedRelease {
  const list = Object.entries(programs).map(([platform, bytes]) => ({
    platform: ProgramPlatform.parse(platform),
    sha256: createHash('sha256').update(bytes).digest('hex'),
    sizeBytes: bytes.byteLength,
  }));
  const manifest = JSON.stringify({ v: 1, ...release, programs: list });
  const key = createPrivateKey({ key: Buffer.from(signer, 'base64'), format: 'der', type: 'pkcs8' });
  return { manifest, signature: sign(null, Buffer.from(manifest), key).toString('base64url') };
}

/** Throws when the console does not take it. May be repeated. */
export async function publishRelease(
  edge: Pick<ControlPlane, 'url' | 'setupSecret' | 'releaseSigner' | 'putProgram'>,
  release: NewRelease,
  programs: Programs,
): Promise<ReleaseView> {
  for (const [platform, bytes] of Object.entries(programs))
    await edge.putProgram(release.version, ProgramPlatform.parse(platform), bytes);
  const answer = await fetch(`${edge.url}/v1/gateway-releases`, {
    method: 'POST',
    headers: { authorization: `Bearer ${edge.setupSecret}`, 'content-type': 'application/json' },
    body: JSON.stringify(signedRelease(edge.releaseSigner, release, programs)),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`the release is refused: ${answer.status} ${text}`);
  return ReleaseView.parse(JSON.parse(text));
}
