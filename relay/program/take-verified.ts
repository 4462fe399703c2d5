// The bytes of a program on their way into the store: no more are taken than the release names, and other ones are no program (U1).
import { createHash } from 'node:crypto';
import { err, ok, type Result } from '../../shared/result.ts';
import type { StoredProgram } from './program-book.ts';

/** Ok: what was appended is the program. Rejects as `bytes` or `append` do. */
export async function takeVerified(
  { sizeBytes, sha256 }: Pick<StoredProgram, 'sizeBytes' | 'sha256'>,
  bytes: AsyncIterable<Uint8Array>,
  append: (chunk: Uint8Array) => Promise<void>,
): Promise<Result<null, { readonly code: 'other-bytes'; readonly detail: string }>> {
  const other = (detail: string) => err({ code: 'other-bytes' as const, detail });
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.byteLength;
    if (size > sizeBytes) return other(`it has more than the ${sizeBytes} bytes that the release names`);
    hash.update(chunk);
    await append(chunk);
  }
  if (size < sizeBytes) return other(`it has ${size} bytes, and the release names ${sizeBytes}`);
  const found = hash.digest('hex');
  return found === sha256 ? ok(null) : other(`its SHA-256 is ${found}, and the release names ${sha256}`);
}
