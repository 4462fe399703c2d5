// What goes back over the wire, and how each refusal of the model looks there (maas.md §1).

import { assertNever } from '../../../../shared/result.ts';
import type { Outcome, Refusal } from '../refusal.ts';

export type Answer = {
  readonly status: number;
  readonly contentType: string | null;
  readonly body: string | Uint8Array | JsonBody;
  readonly headers: Readonly<Record<string, string>>;
  /** The machine that the call was about, when the path does not say it: for the lab's own books. */
  readonly about: string | null;
};

/** Written out by whoever sends it: for machines that is most of the work of an answer. */
export type JsonBody = { readonly shown: unknown; readonly indent: number };

const JSON_UTF8 = 'application/json; charset=utf-8';
const TEXT_UTF8 = 'text/plain; charset=utf-8';

const plain = (
  status: number,
  contentType: string | null,
  body: Answer['body'],
  headers: Record<string, string> = {},
): Answer => ({
  status,
  contentType,
  body,
  headers,
  about: null,
});

/** MAAS indents by 4. */
export const json = (value: unknown): Answer => plain(200, JSON_UTF8, { shown: value, indent: 4 });
/** Some handlers of MAAS answer JSON without naming a charset. */
export const jsonBare = (value: unknown): Answer => plain(200, 'application/json', JSON.stringify(value));
export const created = (value: unknown): Answer => plain(201, JSON_UTF8, { shown: value, indent: 4 });

/** The body as it goes over the wire. @param indent other than MAAS's own: for who only wants the content */
export function wireBody({ body }: Answer, indent?: number): string | Uint8Array {
  return typeof body === 'string' || body instanceof Uint8Array
    ? body
    : JSON.stringify(body.shown, null, indent ?? body.indent);
}

export const text = (status: number, body: string, headers: Record<string, string> = {}): Answer =>
  plain(status, TEXT_UTF8, body, headers);
export const textBare = (status: number, body: string): Answer => plain(status, 'text/plain', body);
export const html = (status: number, body: string, headers: Record<string, string> = {}): Answer =>
  plain(status, 'text/html; charset=utf-8', body, headers);
export const bytes = (contentType: string, body: Uint8Array): Answer => plain(200, contentType, body);
/** 204 of a DELETE: no body, and yet a content type. */
export const gone = (): Answer => plain(204, 'text/plain', '');
export const noContent = (): Answer => plain(204, null, '');
/** Loud, so that nobody takes the lab's silence for MAAS's. */
export const notModelledAnswer = (what: string): Answer => text(501, `The lab's MAAS does not model this: ${what}\n`);

export const about = (answer: Answer, systemId: string): Answer => ({ ...answer, about: systemId });

/** The success as `show` shows it, or the refusal. */
export const answerOf = <T>(outcome: Outcome<T>, show: (value: T) => Answer): Answer =>
  outcome.ok ? show(outcome.value) : refusalAnswer(outcome.error);

export function refusalAnswer(refusal: Refusal): Answer {
  switch (refusal.code) {
    case 'invalid':
      return plain(400, refusal.bare ? 'application/json' : JSON_UTF8, JSON.stringify(refusal.fields));
    case 'bad-request':
      return text(400, refusal.text);
    case 'forbidden':
      return text(403, refusal.text);
    case 'not-found':
      return refusal.bare ? textBare(404, refusal.text) : text(404, refusal.text);
    case 'conflict':
      return text(409, refusal.text);
    case 'transient-conflict':
      return html(409, CONFLICT_PAGE, { 'Retry-After': '5' });
    case 'crashed':
      return text(500, refusal.text);
    case 'unavailable':
      return text(
        503,
        refusal.text,
        refusal.retryAfterSeconds === null ? {} : { 'Retry-After': String(refusal.retryAfterSeconds) },
      );
    case 'not-modelled':
      return notModelledAnswer(refusal.what);
    default:
      return assertNever(refusal);
  }
}

const CONFLICT_PAGE = `<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
  <head>
    <title>Error: Conflict Error</title>
  </head>
  <body>
    <h2 class="p-heading--four">
      Conflict error. Try your request again, as it will most likely succeed.
    </h2>
  </body>
</html>
`;
