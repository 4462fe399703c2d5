// Which request an Idempotency-Key stands for, and its answer as ciphertext.
import { and, eq, isNull, lt, sql } from 'drizzle-orm';
import type { ApiKeyId, EpochMs, Scope } from '../../shared/ids.ts';
import { IDEMPOTENCY_KEY_MS, IDEMPOTENCY_LOCK_MS } from '../../shared/limits.ts';
import { type Catalogue, insertWhere } from './catalogue.ts';
import { idempotencyKeys } from './schema.ts';

export type IdempotentRequest = {
  readonly scope: Scope;
  readonly apiKeyId: ApiKeyId;
  readonly keyHash: string;
  readonly requestHash: string;
};

/** `begun`: nobody else runs it. `answered`: it has run. `running`: another does. `other`: the key is of another request. */
export type Begun =
  | { readonly kind: 'begun' | 'running' | 'other' }
  | { readonly kind: 'answered'; readonly answer: string };

export async function beginRequest(db: Catalogue, request: IdempotentRequest, now: EpochMs): Promise<Begun> {
  const { scope, ...rest } = request;
  const lockedUntil = now + IDEMPOTENCY_LOCK_MS;
  await db.delete(idempotencyKeys).where(and(of(request), lt(idempotencyKeys.expiresAt, now)));
  const row = { ...scope, ...rest, lockedUntil, expiresAt: now + IDEMPOTENCY_KEY_MS };
  const free = sql`not exists (select 1 from idempotency_keys
    where api_key_id = ${request.apiKeyId} and key_hash = ${request.keyHash})`;
  if (await insertWhere(db, idempotencyKeys, row, free)) return { kind: 'begun' };
  const [held] = await db.select().from(idempotencyKeys).where(of(request));
  if (held === undefined) return { kind: 'running' };
  if (held.requestHash !== request.requestHash) return { kind: 'other' };
  if (held.answer !== null) return { kind: 'answered', answer: held.answer };
  const taken = await db
    .update(idempotencyKeys)
    .set({ lockedUntil })
    .where(and(of(request), isNull(idempotencyKeys.answer), lt(idempotencyKeys.lockedUntil, now)));
  return { kind: taken.meta.changes > 0 ? 'begun' : 'running' };
}

export async function keepAnswer(db: Catalogue, request: IdempotentRequest, answer: string): Promise<void> {
  await db.update(idempotencyKeys).set({ answer }).where(of(request));
}

/** The request had no effect: the key is free again. */
export async function forgetRequest(db: Catalogue, request: IdempotentRequest): Promise<void> {
  await db.delete(idempotencyKeys).where(and(of(request), isNull(idempotencyKeys.answer)));
}

export async function pruneRequests(db: Catalogue, now: EpochMs): Promise<void> {
  await db.delete(idempotencyKeys).where(lt(idempotencyKeys.expiresAt, now));
}

const of = (request: IdempotentRequest) =>
  and(eq(idempotencyKeys.apiKeyId, request.apiKeyId), eq(idempotencyKeys.keyHash, request.keyHash));
