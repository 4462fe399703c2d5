// GET of one and LIST of many: versions, selectors, pages, and the shapes a client may ask for.
import type { Result } from '../../../shared/result.ts';
import { err, ok } from '../../../shared/result.ts';
import type { Answer, Call } from './call.ts';
import { answer, failed, listed, presented } from './call.ts';
import type { JsonObject } from './json.ts';
import { nameOf, namespaceOf, object } from './json.ts';
import { apiVersionOf } from './resources.ts';
import type { Matcher } from './selectors.ts';
import { parseFieldSelector, parseLabelSelector } from './selectors.ts';
import type { ApiFailure } from './status.ts';
import { badRequest, futureVersion, gone, notAcceptable } from './status.ts';
import { renderTable } from './table.ts';

export type Shape = 'object' | 'table' | 'metadata';

/** The form the Accept header asks for; 406 when it takes nothing this server has. YAML is not played. */
export function shapeOf(call: Pick<Call, 'headers'>): Result<Shape, ApiFailure> {
  const accepted = (call.headers.accept ?? '*/*').split(',').map((part) => part.trim());
  for (const part of accepted) {
    const [type = '', ...parameters] = part.split(';').map((piece) => piece.trim());
    if (!['application/json', 'application/*', '*/*'].includes(type)) continue;
    const as = parameters.find((parameter) => parameter.startsWith('as='))?.slice(3);
    if (as === undefined) return ok('object');
    if (!parameters.includes('v=v1')) continue;
    if (as === 'Table') return ok('table');
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return ok('metadata');
  }
  return err(notAcceptable());
}

/** labelSelector and fieldSelector of a query, as one question. */
export function matcherOf(call: Call): Result<Matcher, ApiFailure> {
  const labels = parseLabelSelector(call.request.query.get('labelSelector') ?? '');
  if (!labels.ok) return labels;
  const fields = parseFieldSelector(call.request.query.get('fieldSelector') ?? '', call.resource.plural);
  if (!fields.ok) return fields;
  const name = call.target.name;
  return ok((value) => labels.value(value) && fields.value(value) && (name === '' || nameOf(value) === name));
}

export function metadataOnly(value: JsonObject): JsonObject {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object(value, 'metadata') };
}

export function get(call: Call): Answer {
  const shape = shapeOf(call);
  if (!shape.ok) return failed(shape.error);
  const found = call.cluster.store.get(call.resource, call.target.namespace, call.target.name);
  if (!found.ok) return failed(found.error);
  const shown = presented(call.resource, found.value);
  if (shape.value === 'metadata') return answer(200, metadataOnly(shown));
  if (shape.value === 'table')
    return answer(200, renderTable(call.resource, [shown], call.cluster.options.clock.now(), {}));
  return answer(200, shown);
}

type Page = { readonly version: number; readonly start: string };

function encodePage(page: Page): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: page.version, start: page.start })).toString(
    'base64url',
  );
}

function decodePage(token: string): Page | undefined {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (typeof parsed !== 'object' || parsed === null || !('rv' in parsed) || !('start' in parsed)) return undefined;
    return { version: Number(parsed.rv), start: String(parsed.start) };
  } catch {
    return undefined;
  }
}

const EXPIRED =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.';

const END = '\u0000';

/** The version a list is of, or why it can't be: 400, 410 or 504, as recorded. */
function versionOf(call: Call, page: Page | undefined): Result<number, ApiFailure> {
  const { store } = call.cluster;
  const asked = call.request.query.get('resourceVersion') ?? '';
  if (asked !== '' && !/^\d+$/.test(asked)) {
    return err(
      badRequest(
        `invalid resource version: resourceVersion: Invalid value: ${JSON.stringify(asked)}: strconv.ParseUint: parsing ${JSON.stringify(asked)}: invalid syntax`,
      ),
    );
  }
  if (page !== undefined) {
    if (page.version < 0) return ok(store.version());
    const fresh = encodePage({ version: -1, start: page.start.replace(/^\//, '') });
    return page.version < store.oldestVersion() ? err(gone(EXPIRED, fresh)) : ok(page.version);
  }
  if (Number(asked) > store.version()) return err(futureVersion(Number(asked), store.version()));
  const exact = call.request.query.get('resourceVersionMatch') === 'Exact';
  if (exact && Number(asked) < store.oldestVersion())
    return err(gone('The resourceVersion for the provided list is too old.'));
  return ok(store.version());
}

export function list(call: Call): Answer {
  const { store, options } = call.cluster;
  const shape = shapeOf(call);
  if (!shape.ok) return failed(shape.error);
  const matches = matcherOf(call);
  if (!matches.ok) return failed(matches.error);
  const token = call.request.query.get('continue') ?? '';
  const page = token === '' ? undefined : decodePage(token);
  if (token !== '' && page === undefined)
    return failed(badRequest('continue key is not valid: unexpected end of JSON input'));
  const version = versionOf(call, page);
  if (!version.ok) return failed(version.error);
  const keyOf = (value: JsonObject): string =>
    call.target.namespace === '' && call.resource.namespaced
      ? `/${namespaceOf(value)}/${nameOf(value)}`
      : `/${nameOf(value)}`;
  const from = page === undefined ? '' : page.start.replace(END, '');
  const all = store
    .all(call.resource, call.target.namespace)
    .filter(
      (value) => (from === '' || keyOf(value) > (from.startsWith('/') ? from : `/${from}`)) && matches.value(value),
    );
  const limit = Number(call.request.query.get('limit') ?? 0);
  const items = limit > 0 ? all.slice(0, limit) : all;
  const metadata: JsonObject = { resourceVersion: String(version.value) };
  const last = items.at(-1);
  if (items.length < all.length && last !== undefined) {
    metadata.continue = encodePage({ version: version.value, start: `${keyOf(last)}${END}` });
    const selected = ['labelSelector', 'fieldSelector'].some((name) => (call.request.query.get(name) ?? '') !== '');
    if (!selected) metadata.remainingItemCount = all.length - items.length;
  }
  if (shape.value === 'table')
    return answer(
      200,
      renderTable(
        call.resource,
        items.map((item) => presented(call.resource, item)),
        options.clock.now(),
        metadata,
      ),
    );
  if (shape.value === 'metadata') {
    return answer(200, {
      kind: 'PartialObjectMetadataList',
      apiVersion: 'meta.k8s.io/v1',
      metadata,
      items: items.map(metadataOnly),
    });
  }
  return answer(200, {
    kind: `${call.resource.kind}List`,
    apiVersion: apiVersionOf(call.resource),
    metadata,
    items: items.map((item) => listed(call.resource, item)),
  });
}
