// Files that only this program writes: one in another form was cut or is somebody else's.
import type { z } from 'zod';

/** Null when it is not JSON or not of the form. */
export function parseOwnFile<S extends z.ZodType>(schema: S, bytes: Uint8Array): z.infer<S> | null {
  try {
    const parsed = schema.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
