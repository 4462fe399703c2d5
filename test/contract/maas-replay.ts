// Sends a recorded request again, byte for byte where it matters: the Authorization header as it was, the body as it was.

import { request as httpRequest } from 'node:http';
import type { PlainAnswer } from './maas-expectation.ts';
import type { RecordedRequest } from './maas-recordings.ts';

const ANSWER_MS_MAX = 5_000;
/** The recorded server's own name: an HMAC signature covers it. */
const RECORDED_HOST = '127.0.0.1:5240';

/** Rejects when the connection breaks or nothing comes in 5 s. */
export function replay(port: number, recorded: RecordedRequest): Promise<PlainAnswer> {
  const { contentType, body } = bodyOf(recorded);
  const headers: Record<string, string> = { ...recorded.headers, Host: RECORDED_HOST };
  if (contentType !== null) headers['Content-Type'] = contentType;
  headers['Content-Length'] = String(Buffer.byteLength(body));
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      {
        host: '127.0.0.1',
        port,
        method: recorded.method,
        path: pathOf(recorded),
        headers,
        timeout: ANSWER_MS_MAX,
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            contentType: response.headers['content-type'] ?? null,
            retryAfter: response.headers['retry-after'] ?? null,
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`no answer in ${ANSWER_MS_MAX} ms`)));
    sent.on('error', reject);
    sent.end(body);
  });
}

function pathOf(recorded: RecordedRequest): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(recorded.query)) {
    for (const one of [value].flat()) query.append(key, one);
  }
  return query.size === 0 ? recorded.path : `${recorded.path}?${query}`;
}

function bodyOf(recorded: RecordedRequest): { contentType: string | null; body: string } {
  if (recorded.raw_body !== undefined && recorded.raw_body !== null)
    return { contentType: null, body: recorded.raw_body };
  if (recorded.multipart) return { contentType: null, body: multipartBody(pairsOf(recorded.multipart)) };
  if (!recorded.form || recorded.method === 'GET' || recorded.method === 'HEAD') return { contentType: null, body: '' };
  return {
    contentType: 'application/x-www-form-urlencoded',
    body: new URLSearchParams(pairsOf(recorded.form)).toString(),
  };
}

const pairsOf = (pairs: NonNullable<RecordedRequest['form']>): [string, string][] =>
  (Array.isArray(pairs) ? pairs : Object.entries(pairs)).map(([key, value]) => [key, String(value)]);

/** The boundary stands in the recorded Content-Type header. */
const multipartBody = (pairs: readonly [string, string][]): string =>
  `${pairs.map(([key, value]) => `--labboundary\r\nContent-Disposition: form-data; name="${key}"\r\n\r\n${value}\r\n`).join('')}--labboundary--\r\n`;
