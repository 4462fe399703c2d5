// The recordings of a real Kubernetes API and what counts as agreement with one: the same status, the same content
// type, the same keys with the same types, and the same words once names that differ by nature are masked.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import type { Json } from '../lab/kubernetes/json.ts';
import { isObject } from '../lab/kubernetes/json.ts';

const json: z.ZodType<Json> = z.json();

const exchange = z.object({
  scenario: z.string(),
  request: z.object({
    method: z.string(),
    path: z.string(),
    query: z.union([z.record(z.string(), z.string()), z.string()]).nullish(),
    headers: z.record(z.string(), z.string()).nullish(),
    credential: z.string().nullish(),
    body: json.optional(),
  }),
  response: z.object({ status: z.number().nullable(), content_type: z.string().nullish(), body: json.optional() }),
});

export type Recording = z.infer<typeof exchange> & { readonly name: string };
export type Answered = { readonly status: number; readonly contentType: string; readonly body: Json };

/** The recordings lie beside the project, not in it. */
export const RECORDINGS = fileURLToPath(new URL('../../../shared/kubernetes/api', import.meta.url));
export const haveRecordings = (): boolean => existsSync(RECORDINGS);

/** Every exchange by name. Files that are no exchange (timelines, decoded certificates) are left out. */
export function loadRecordings(): Map<string, Recording> {
  const found = new Map<string, Recording>();
  for (const file of readdirSync(RECORDINGS).filter((name) => name.endsWith('.json'))) {
    const raw: unknown = JSON.parse(readFileSync(join(RECORDINGS, file), 'utf8'));
    const parsed = exchange.safeParse(raw);
    const name = file.slice(0, -'.json'.length);
    if (parsed.success) found.set(name, { ...parsed.data, name });
  }
  return found;
}

/** Maps whose keys are data, and lists whose length is chance: only their type counts. */
const OPAQUE = new Set([
  'containers',
  'containerStatuses',
  'labels',
  'annotations',
  'data',
  'fieldsV1',
  'managedFields',
  'extra',
  'capacity',
  'allocatable',
  'images',
  'nodeSelector',
  'taints',
  'tolerations',
  'limits',
  'requests',
  'features',
  'runtimeHandlers',
  'paths',
]);
/** Fields that a pod has or lacks by the manifest it came from or the features of the build, not by the API's doing. */
const BY_CHANCE = new Set([
  'volumes',
  'affinity',
  'priorityClassName',
  'hostNetwork',
  'nodeSelector',
  'allocatedResources',
  'declaredFeatures',
  'taints',
  'annotations',
  'labels',
  'unavailableReplicas',
  'timeAdded',
  'requests',
  'limits',
  'podCIDR',
  'podCIDRs',
]);
/** Texts that must be the same word, not only a text. */
const LITERAL = new Set(['kind', 'apiVersion', 'reason', 'code', 'field', 'type', 'phase']);

function mask(text: string): string {
  return text
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uid>')
    .replace(/\d+\.\d+\.\d+\.\d+/g, '<ip>')
    .replace(/"[A-Za-z0-9+/=]{200,}"/g, '<blob>')
    .replace(/yaml: line \d+/g, 'yaml: line <n>')
    .replace(/resource version: \d+, current: \d+/g, 'resource version')
    .replace(/too old resource version: \d+ \(\d+\)/g, 'too old resource version');
}

const typeOf = (value: Json): string => (value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value);

function compareObjects(recorded: Record<string, Json>, answered: Record<string, Json>, at: string): string[] {
  if (Object.hasOwn(recorded, '...')) return [];
  const keys = new Set([...Object.keys(recorded), ...Object.keys(answered)]);
  return [...keys].flatMap((key) => {
    const [mine, theirs] = [answered[key], recorded[key]];
    const here = `${at}.${key}`;
    if ((mine === undefined || theirs === undefined) && BY_CHANCE.has(key)) return [];
    if (theirs === undefined) return [`${here} is not recorded`];
    if (mine === undefined) return [`${here} is missing`];
    if (OPAQUE.has(key))
      return typeOf(mine) === typeOf(theirs) || /^<(short|see)/.test(String(theirs))
        ? []
        : [`${here} has another type`];
    if (
      LITERAL.has(key) &&
      !isObject(theirs) &&
      !at.includes('ownerReferences') &&
      mine !== theirs &&
      (key !== 'type' || at.endsWith('.object'))
    ) {
      return [`${here}: ${JSON.stringify(mine)} instead of ${JSON.stringify(theirs)}`];
    }
    if (
      key === 'message' &&
      recorded.kind === 'Status' &&
      typeof mine === 'string' &&
      typeof theirs === 'string' &&
      mask(mine) !== mask(theirs)
    ) {
      return [`${here}: ${JSON.stringify(mine)} instead of ${JSON.stringify(theirs)}`];
    }
    return compare(theirs, mine, here);
  });
}

/** Every difference, as a line. Lists are compared by their first element (kinds and groups by
 * name: the stand-in has fewer), watches event by event. */
export function compare(recorded: Json, answered: Json, at = ''): string[] {
  if (typeOf(recorded) !== typeOf(answered)) return [`${at} is ${typeOf(answered)} instead of ${typeOf(recorded)}`];
  if (isObject(recorded) && isObject(answered)) return compareObjects(recorded, answered, at);
  if (Array.isArray(recorded) && Array.isArray(answered)) {
    const named = at === '.resources' || at === '.groups';
    if (named) {
      return answered.flatMap((item) => {
        const known = recorded.find((one) => isObject(one) && isObject(item) && one.name === item.name);
        return known === undefined
          ? [`${at} has an unrecorded ${JSON.stringify(item)}`]
          : compare(known, item, `${at}[]`);
      });
    }
    const [theirs, mine] = [recorded[0], answered[0]];
    if (theirs === undefined || mine === undefined)
      return theirs === mine ? [] : [`${at} is ${mine === undefined ? '' : 'not '}empty`];
    return compare(theirs, mine, `${at}[0]`);
  }
  return [];
}

/** Lines of a health list; the recorded start-ups come from a build without its etcd lines. */
const checks = (text: string): string[] =>
  text.split('\n').filter((line) => !/\]etcd/.test(line) || line.startsWith('[-]'));

export function disagreements(recorded: Recording, answered: Answered): string[] {
  const { response } = recorded;
  const found: string[] = [];
  if (response.status !== answered.status) found.push(`status ${answered.status} instead of ${response.status}`);
  if (response.content_type !== answered.contentType)
    found.push(`content type ${answered.contentType} instead of ${response.content_type}`);
  const theirs = response.body ?? '';
  if (typeof theirs === 'string' && typeof answered.body === 'string') {
    const free = recorded.name.startsWith('pod-log') || recorded.name === 'discovery-openapi-v3-index';
    if (!free && checks(theirs).join('\n') !== checks(answered.body).join('\n'))
      found.push(`text ${JSON.stringify(answered.body.slice(0, 200))}`);
    return found;
  }
  if (recorded.request.path.includes('?') || !Array.isArray(theirs) || !Array.isArray(answered.body))
    return [...found, ...compare(theirs, answered.body)];
  const mine = answered.body;
  if (theirs.length !== mine.length)
    found.push(
      `${mine.length} events instead of ${theirs.length}: ${mine.map((event) => (isObject(event) ? event.type : '')).join(' ')}`,
    );
  theirs.forEach((event, index) => {
    if (mine[index] !== undefined)
      found.push(...compare(event, mine[index], `event[${index}].object`.replace('.object', '')));
  });
  return found;
}
