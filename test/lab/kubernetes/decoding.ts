// Bodies on their way in: media types, JSON and YAML, kinds, unknown and mistyped fields, in the recorded words.
import { load } from 'js-yaml';
import * as z from 'zod';
import type { Result } from '../../../shared/result.ts';
import { err, ok } from '../../../shared/result.ts';
import type { Call } from './call.ts';
import { isJsonObject } from './call.ts';
import { undeclaredFields } from './custom-resources.ts';
import type { Json, JsonObject } from './json.ts';
import { isObject, object, text } from './json.ts';
import type { Resource } from './resources.ts';
import { apiVersionOf } from './resources.ts';
import type { ApiFailure } from './status.ts';
import { badRequest, notModelled, unsupportedMediaType } from './status.ts';

const METADATA_FIELDS = new Set(
  'name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp deletionGracePeriodSeconds labels annotations ownerReferences finalizers managedFields'.split(
    ' ',
  ),
);
const ACCEPTED = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

const json: z.ZodType<Json> = z.json();

export const mediaType = (call: Pick<Call, 'headers'>): string =>
  (call.headers['content-type'] ?? 'application/json').split(';')[0]?.trim() ?? '';

function parseFailure(body: string): string {
  if (body.trim() === '') return 'unexpected end of JSON input (<empty>)';
  const inObject = /^\s*\{\s*([^"}\s])/.exec(body)?.[1];
  if (inObject !== undefined)
    return `invalid character '${inObject}' looking for beginning of object key string (${body})`;
  return `invalid character '${body.trim()[0] ?? ''}' looking for beginning of value (${body})`;
}

/** A JSON (or YAML) body of whatever kind. */
export function decodeAny(call: Call, expectedKind: string): Result<JsonObject, ApiFailure> {
  const type = mediaType(call);
  // A real server takes protobuf, which `kubectl create` sends; `kubectl apply` and every JSON client do not.
  if (type === 'application/vnd.kubernetes.protobuf') return err(notModelled('protobuf bodies (send JSON)'));
  if (type !== 'application/json' && type !== 'application/yaml') return err(unsupportedMediaType(ACCEPTED));
  const unrecognised = (why: string) =>
    err(
      badRequest(
        `the object provided is unrecognized (must be of type ${expectedKind}): couldn't get version/kind; json parse error: ${why}`,
      ),
    );
  let parsed: unknown;
  try {
    parsed = type === 'application/json' ? JSON.parse(call.body) : load(call.body);
  } catch {
    return unrecognised(parseFailure(call.body));
  }
  const value = json.safeParse(parsed);
  if (!value.success || !isJsonObject(value.data)) return unrecognised('cannot unmarshal into an object');
  return ok(value.data);
}

/** The body of a patch. Apply patches are YAML (JSON is YAML too), the others JSON. */
export function decodePatch(call: Call): Result<Json, ApiFailure> {
  const apply = mediaType(call) === 'application/apply-patch+yaml';
  let parsed: unknown;
  try {
    parsed = apply ? load(call.body) : JSON.parse(call.body);
  } catch (error) {
    if (!apply) return err(badRequest(`error decoding patch: ${parseFailure(call.body)}`));
    const line =
      error instanceof Error &&
      'mark' in error &&
      typeof error.mark === 'object' &&
      error.mark !== null &&
      'line' in error.mark
        ? Number(error.mark.line) + 1
        : 0;
    return err(
      badRequest(
        `error decoding YAML: error converting YAML to JSON: yaml: line ${line}: mapping values are not allowed in this context`,
      ),
    );
  }
  const value = json.safeParse(JSON.parse(JSON.stringify(parsed ?? null)));
  return value.success ? ok(value.data) : err(badRequest('error decoding patch'));
}

/** Fields the kind does not have, as paths without a leading dot. */
export function unknownFields(call: Pick<Call, 'resource' | 'custom'>, value: JsonObject): string[] {
  if (call.custom !== undefined) {
    return undeclaredFields(call.custom.schema, value).map((path) => path.slice(1));
  }
  const metadata = Object.keys(object(value, 'metadata')).filter((key) => !METADATA_FIELDS.has(key));
  const own = Object.keys(value).filter(
    (key) => !['apiVersion', 'kind', 'metadata'].includes(key) && !call.resource.fields.includes(key),
  );
  return [...metadata.map((key) => `metadata.${key}`), ...own];
}

/** Takes unknown fields out of a tree, as decoding drops them. Writes into `value`. */
export function dropFields(value: JsonObject, paths: readonly string[]): void {
  for (const path of paths) {
    const keys = path.split('.');
    let node: Json | undefined = value;
    for (const key of keys.slice(0, -1)) node = isObject(node) ? node[key] : undefined;
    if (isObject(node)) delete node[keys.at(-1) ?? ''];
  }
}

const goType = (value: Json): string =>
  Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;

/** The first value of a map of texts that is none: Go says where. */
function mistyped(resource: Resource, value: JsonObject): string | undefined {
  const maps: [string, Json | undefined][] = [
    ['metadata.labels', object(value, 'metadata').labels],
    ['metadata.annotations', object(value, 'metadata').annotations],
  ];
  if (['configmaps', 'secrets'].includes(resource.plural)) maps.push(['data', value.data]);
  for (const [field, map] of maps) {
    for (const entry of isObject(map) ? Object.values(map) : []) {
      if (typeof entry !== 'string' && entry !== null) {
        return `json: cannot unmarshal ${goType(entry)} into Go struct field ${resource.kind}.${field} of type string`;
      }
    }
  }
  return undefined;
}

export type Decoded = { readonly object: JsonObject; readonly warnings: readonly string[] };

/** A body of the call's own kind: kind checked, types checked, unknown fields warned of, refused or passed over. */
export function decodeObject(call: Call): Result<Decoded, ApiFailure> {
  const { resource } = call;
  const any = decodeAny(call, resource.kind);
  if (!any.ok) return any;
  const value = any.value;
  const [kind, version] = [text(value, 'kind') || resource.kind, text(value, 'apiVersion') || apiVersionOf(resource)];
  if (kind !== resource.kind || version !== apiVersionOf(resource)) {
    const short = version.split('/').at(-1) ?? version;
    const inner = resource.group === '' ? 'core' : (resource.group.split('.')[0] ?? '');
    return err(
      badRequest(
        `${kind} in version ${JSON.stringify(short)} cannot be handled as a ${resource.kind}: converting (${short}.${kind}) to (${inner}.${resource.kind}): unknown conversion`,
      ),
    );
  }
  const prefix = `${kind} in version ${JSON.stringify(resource.version)} cannot be handled as a ${resource.kind}`;
  const wrong = mistyped(resource, value);
  if (wrong !== undefined) return err(badRequest(`${prefix}: ${wrong}`));
  const unknown = unknownFields(call, value);
  const validation = call.request.query.get('fieldValidation') ?? 'Warn';
  if (unknown.length > 0 && validation === 'Strict') {
    return err(
      badRequest(
        `${prefix}: strict decoding error: ${unknown.map((field) => `unknown field ${JSON.stringify(field)}`).join(', ')}`,
      ),
    );
  }
  dropFields(value, unknown);
  const warnings = validation === 'Ignore' ? [] : unknown.map((field) => `unknown field ${JSON.stringify(field)}`);
  return ok({ object: value, warnings });
}
