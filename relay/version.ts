// The release of this relay; a test keeps it equal to package.json.
import { getAsset, isSea } from 'node:sea';

/** A bundle has its version from packaging/bundle.ts: tests need some of other versions. */
declare const SLIPWAY_BUNDLE_VERSION: string;

export const RELAY_VERSION: string = typeof SLIPWAY_BUNDLE_VERSION === 'string' ? SLIPWAY_BUNDLE_VERSION : '0.1.0';

/** SHA-256, in hex, of the bundle inside this executable, as SHA256SUMS of the release lists it; null when run from the sources. */
export const BUNDLE_DIGEST: string | null = isSea() ? getAsset('bundle-digest', 'utf8') : null;

/** What `slipway-relay version` prints: one line, the same code always under the same digest. */
export function versionLine(): string {
  return `slipway-relay ${RELAY_VERSION} ${BUNDLE_DIGEST === null ? 'from the sources' : `sha256:${BUNDLE_DIGEST}`}\n`;
}
