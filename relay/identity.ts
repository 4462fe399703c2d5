// Who this relay is, as pairing settled it. Not secret, but it pins the key that may command us: 0600 like its neighbours.
import { z } from 'zod';
import { PairingResponse } from '../shared/pairing.ts';
import { err, ok, type Result } from '../shared/result.ts';
import type { Disk, DiskFailure } from './ports.ts';

export const IDENTITY_FILE = 'identity.json';

export const Identity = z.strictObject({
  ...PairingResponse.shape,
  v: z.literal(1),
  /** Of the console this relay was paired with. */
  origin: z.string(),
  /** SHA-256 of the pairing code, so that the same code given again is no error. */
  codeHash: z.string(),
});
export type Identity = z.infer<typeof Identity>;

export type IdentityFailure = DiskFailure | { readonly code: 'damaged'; readonly detail: string };

/** Null before pairing. */
export async function readIdentity(disk: Disk): Promise<Result<Identity | null, IdentityFailure>> {
  const bytes = await disk.read(IDENTITY_FILE);
  if (!bytes.ok) return bytes;
  if (bytes.value === null) return ok(null);
  const damaged = { code: 'damaged', detail: `${IDENTITY_FILE} is not an identity of slipway-relay` } as const;
  try {
    const identity = Identity.safeParse(JSON.parse(Buffer.from(bytes.value).toString('utf8')));
    return identity.success ? ok(identity.data) : err(damaged);
  } catch (error) {
    if (error instanceof SyntaxError) return err(damaged);
    throw error;
  }
}

export function writeIdentity(disk: Disk, identity: Identity): Promise<Result<null, DiskFailure>> {
  return disk.replace(IDENTITY_FILE, Buffer.from(`${JSON.stringify(identity, null, 2)}\n`));
}
