// How a machine talks to the metadata service: signed by its own token, as cloud-init's MAAS datasource signs.

import { randomUUID } from 'node:crypto';
import { err, ok, type Result } from '../../shared/result.ts';
import type { BootingMachine, MetadataOauth } from './machine-driver.ts';

const REQUEST_MS_MAX = 10_000;

export type MetadataFailure = { readonly code: 'METADATA_FAILED'; readonly detail: string };

/** The bytes under `path` (such as `2012-03-01/user-data`). May be repeated. */
export async function fetchMetadata(
  machine: Pick<BootingMachine, 'metadataUrl' | 'metadataOauth'>,
  path: string,
  stop?: AbortSignal,
): Promise<Result<Uint8Array, MetadataFailure>> {
  const limit = AbortSignal.timeout(REQUEST_MS_MAX);
  try {
    const response = await fetch(`${machine.metadataUrl}/${path}`, {
      headers: { Authorization: metadataAuthorization(machine.metadataOauth) },
      signal: stop ? AbortSignal.any([limit, stop]) : limit,
    });
    const body = new Uint8Array(await response.arrayBuffer());
    // The body of a 401 holds the right secret, so it is not passed on.
    return response.ok ? ok(body) : err({ code: 'METADATA_FAILED', detail: `${path}: ${response.status}` });
  } catch (error) {
    return err({
      code: 'METADATA_FAILED',
      detail: `${path}: ${error instanceof Error ? error.message : String(error)}`,
    });
  }
}

/** A fresh nonce each time: the service refuses one that it has seen. */
export function metadataAuthorization(oauth: MetadataOauth): string {
  const parameters = {
    oauth_version: '1.0',
    oauth_signature_method: 'PLAINTEXT',
    oauth_consumer_key: oauth.consumerKey,
    oauth_token: oauth.tokenKey,
    oauth_signature: encodeURIComponent(`&${oauth.tokenSecret}`),
    oauth_nonce: randomUUID(),
    oauth_timestamp: String(Math.floor(Date.now() / 1_000)),
  };
  return `OAuth ${Object.entries(parameters)
    .map(([name, value]) => `${name}="${value}"`)
    .join(', ')}`;
}
