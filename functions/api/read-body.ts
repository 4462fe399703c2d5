// A JSON body, read with bounds: size before it is held, depth before it is parsed, and no prototype games after.
import { API_BODY_BYTES_MAX, API_JSON_DEPTH_MAX } from '../../shared/limits.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { fieldFailure } from './parse-failure.ts';

export type Body = {
  /** The exact text, for the hash of an idempotent request; empty without a body. */
  readonly text: string;
  /** The parsed JSON; `{}` without a body. */
  readonly json: unknown;
};

export async function readBody(request: Request): Promise<Result<Body, ApiFailure>> {
  const bytes = await readBytes(request);
  if (bytes === null) return err(apiFailure('BODY_TOO_LARGE'));
  if (bytes.length === 0) return ok({ text: '', json: {} });
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') return err(apiFailure('BODY_NOT_JSON', 'The content-type is not application/json.'));
  const text = decode(bytes);
  if (text === null) return err(apiFailure('BODY_NOT_JSON', 'The body is not UTF-8.'));
  if (depthOf(text) > API_JSON_DEPTH_MAX) return err(fieldFailure('', `is nested deeper than ${API_JSON_DEPTH_MAX}`));
  const json = parse(text);
  if (!json.ok) return err(apiFailure('BODY_NOT_JSON'));
  if (holdsProto(json.value)) return err(fieldFailure('__proto__', 'is not a field here'));
  return ok({ text, json: json.value });
}

async function readBytes(request: Request): Promise<Uint8Array | null> {
  if (Number(request.headers.get('content-length') ?? 0) > API_BODY_BYTES_MAX) return null;
  if (request.body === null) return new Uint8Array();
  const pieces: Uint8Array[] = [];
  let length = 0;
  // A sender that stalls is ended by Cloudflare's own limits; what it can make us hold is bounded here.
  for await (const piece of request.body) {
    length += piece.byteLength;
    if (length > API_BODY_BYTES_MAX) return null;
    pieces.push(piece);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return whole;
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

function parse(text: string): Result<unknown, null> {
  try {
    return ok(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return err(null);
    throw error;
  }
}

/** How deep objects and arrays are nested, strings left out. Told from the text, since a parser would recurse first. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (quoted) {
      if (character === '\\') at += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth);
    else if (character === '}' || character === ']') depth -= 1;
  }
  return deepest;
}

/** JSON.parse makes `__proto__` an own key; zod passes over it in records. No field of ours is called so. */
function holdsProto(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, '__proto__') || Object.values(value).some(holdsProto);
}
