// Lists: newest first, by cursor. A cursor says where the last page ended, so rows that come or go do not shift the next one.
import { z } from 'zod';
import { API_PAGE_SIZE_DEFAULT, API_PAGE_SIZE_MAX } from '../../shared/limits.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { fromBase64url, toBase64url } from '../sign-command.ts';
import type { PageEnd } from '../store/catalogue.ts';

export const PageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(API_PAGE_SIZE_MAX).default(API_PAGE_SIZE_DEFAULT),
  cursor: z.string().max(200).optional(),
});

export const pageOf = <T extends z.ZodType>(item: T) =>
  z.strictObject({ items: z.array(item), nextCursor: z.string().nullable() });

const Cursor = z.tuple([z.int().nonnegative(), z.string().regex(/^[a-z0-9_]{1,40}$/)]);

/** One page of rows. Reads one more than asked for, to know whether there is a next one. */
export async function readPage<T>(
  query: z.infer<typeof PageQuery>,
  read: (wanted: { limit: number; after: PageEnd | null }) => Promise<T[]>,
  endOf: (row: T) => PageEnd,
): Promise<Result<{ items: T[]; nextCursor: string | null }, ApiFailure>> {
  const after = query.cursor === undefined ? ok(null) : readCursor(query.cursor);
  if (!after.ok) return after;
  const rows = await read({ limit: query.limit + 1, after: after.value });
  const items = rows.slice(0, query.limit);
  const last = items.at(-1);
  const more = rows.length > query.limit && last !== undefined;
  return ok({ items, nextCursor: more ? cursorOf(endOf(last)) : null });
}

function cursorOf(end: PageEnd): string {
  return toBase64url(new TextEncoder().encode(JSON.stringify([end.createdAt, end.id])));
}

function readCursor(text: string): Result<PageEnd, ApiFailure> {
  try {
    const [createdAt, id] = Cursor.parse(JSON.parse(new TextDecoder().decode(fromBase64url(text))));
    return ok({ createdAt, id });
  } catch {
    return err(apiFailure('CURSOR_INVALID'));
  }
}
