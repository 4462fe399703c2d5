// One HTTP request as the lab's handlers see it: path, query, and the body as MAAS would read it (maas.md §1.3).

import type { IncomingMessage } from 'node:http';
import { err, ok, type Result } from '../../../../shared/result.ts';
import { type Fields, fieldsFrom, NO_FIELDS } from '../fields.ts';

export type LabRequest = {
  readonly method: string;
  /** Double slashes collapsed. */
  readonly path: string;
  readonly query: Fields;
  readonly body: Fields;
  /** The body was declared JSON: MAAS has no fields then. */
  readonly isJson: boolean;
  readonly rawBody: Buffer;
  readonly authorization: string;
  readonly host: string;
};

/** User-data of 256 KiB is 350 KB in base64; nothing that MAAS takes is larger than a few times that. */
const BODY_BYTES_MAX = 4 * 1024 * 1024;

/** Reads the body whole. Fails on a body over 4 MiB and on a client that goes away. */
export async function readRequest(
  message: IncomingMessage,
): Promise<Result<LabRequest, { code: 'TOO_LARGE' | 'CLIENT_GONE' }>> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of message) {
      const buffer = Buffer.from(chunk);
      size += buffer.length;
      if (size > BODY_BYTES_MAX) return err({ code: 'TOO_LARGE' });
      chunks.push(buffer);
    }
  } catch {
    // Node throws here only when the connection broke before the body was complete.
    return err({ code: 'CLIENT_GONE' });
  }
  const host = message.headers.host ?? 'localhost';
  const url = new URL(`http://lab${(message.url ?? '/').replaceAll(/\/{2,}/g, '/')}`);
  const rawBody = Buffer.concat(chunks);
  const contentType = message.headers['content-type'] ?? '';
  const isJson = contentType.startsWith('application/json');
  return ok({
    method: message.method ?? 'GET',
    path: decodeURIComponent(url.pathname),
    query: fieldsFrom(url.searchParams),
    body: isJson ? jsonFields(rawBody) : await formFields(rawBody, contentType),
    isJson,
    rawBody,
    authorization: message.headers.authorization ?? '',
    host,
  });
}

async function formFields(rawBody: Buffer, contentType: string): Promise<Fields> {
  if (rawBody.length === 0) return NO_FIELDS;
  try {
    const form = await new Response(rawBody, { headers: { 'content-type': contentType } }).formData();
    return fieldsFrom([...form].flatMap(([key, value]) => (typeof value === 'string' ? [[key, value] as const] : [])));
  } catch {
    // Not a form: MAAS sees no parameters then, and goes on.
    return NO_FIELDS;
  }
}

/** Only PUT reads these; see routes.ts. */
function jsonFields(rawBody: Buffer): Fields {
  try {
    const parsed: unknown = JSON.parse(rawBody.toString('utf8'));
    if (typeof parsed !== 'object' || parsed === null) return NO_FIELDS;
    return fieldsFrom(Object.entries(parsed).map(([key, value]) => [key, String(value)] as const));
  } catch {
    return NO_FIELDS;
  }
}
