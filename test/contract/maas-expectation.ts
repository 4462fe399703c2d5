// What it means for two MAAS answers to agree: same status, same content type, and the same text, or the same JSON keys
// with the same types. Of machines the lines that carry state must be equal too, and error texts word for word.

import { z } from 'zod';

/**
 * A type name, or the keys of an object, or the one shape that all elements of a list fit; a second element `maybe empty`
 * says that the list was empty in some places. `|` joins alternatives.
 */
export type Shape = string | { readonly [key: string]: Shape } | readonly Shape[];
export const shapeSchema: z.ZodType<Shape> = z.lazy(() =>
  z.union([z.string(), z.array(shapeSchema), z.record(z.string(), shapeSchema)]),
);

export const machineFactsSchema = z.object({
  hostname: z.string(),
  status_name: z.string(),
  owner: z.string().nullable(),
  osystem: z.string(),
  distro_series: z.string(),
  hwe_kernel: z.string().nullable(),
  netboot: z.boolean(),
  locked: z.boolean(),
  ephemeral_deploy: z.boolean(),
  error_description: z.string(),
  description: z.string(),
  power_type: z.string(),
  tag_names: z.array(z.string()),
  workload_annotations: z.record(z.string(), z.string()),
  ip_addresses: z.array(z.string()).transform((ips) => ips.length),
});

export const expectationSchema = z.object({
  status: z.number(),
  contentType: z.string().nullable(),
  retryAfter: z.string().nullable(),
  /** Exactly one of these three. */
  text: z.string().optional(),
  json: z.json().optional(),
  shape: shapeSchema.optional(),
  /** Of each machine in the answer, by hostname. */
  machines: z.array(z.unknown()).optional(),
});
export type Expectation = z.infer<typeof expectationSchema>;

export type PlainAnswer = { status: number; contentType: string | null; retryAfter: string | null; body: string };

export function expectationOf(answer: PlainAnswer): Expectation {
  const { status, contentType, retryAfter } = answer;
  const head = { status, contentType, retryAfter };
  const isJson = contentType?.startsWith('application/json') === true && answer.body !== '';
  if (!isJson) return { ...head, text: masked(answer.body) };
  const value = z.json().parse(JSON.parse(answer.body));
  if (status >= 400) return { ...head, json: value };
  const machines = machineFacts(value);
  return { ...head, shape: shapeOf(value), ...(machines.length > 0 ? { machines } : {}) };
}

/** The first difference in words, or null. */
export function difference(recorded: Expectation, got: Expectation): string | null {
  for (const key of ['status', 'contentType', 'retryAfter', 'text'] as const) {
    if (recorded[key] !== got[key]) return `${key}: recorded ${show(recorded[key])}, the lab ${show(got[key])}`;
  }
  if (sortedText(recorded.json) !== sortedText(got.json))
    return `json: recorded ${show(recorded.json)}, the lab ${show(got.json)}`;
  if (recorded.shape !== undefined) {
    const found = got.shape === undefined ? 'no JSON' : shapeDifference(recorded.shape, got.shape, '');
    if (found) return found;
  }
  if (sortedText(recorded.machines) !== sortedText(got.machines)) {
    return `machines: recorded ${show(recorded.machines)}, the lab ${show(got.machines)}`;
  }
  return null;
}

/** Ids that differ from run to run; the start states reuse the recorded machines, so little is left to mask. */
const masked = (text: string): string => text.replaceAll(/\d{4}-\d{2}-\d{2}T[\d:.]+Z?/g, '<time>');

function machineFacts(value: unknown): unknown[] {
  const list = Array.isArray(value) ? value : [value];
  return list
    .flatMap((one) => {
      const parsed = machineFactsSchema.safeParse(one);
      return parsed.success ? [parsed.data] : [];
    })
    .sort((a, b) => (a.hostname < b.hostname ? -1 : 1));
}

export function shapeOf(value: unknown): Shape {
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? [] : [value.map(shapeOf).reduce(merged)];
  if (typeof value !== 'object') return typeof value;
  // Keys that are ids are all one key.
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [/^\d+$/.test(key) ? '#' : key, shapeOf(inner)]),
  );
}

const MAYBE_EMPTY = 'maybe empty';

/** One shape for two elements of a list: keys of both, types of both. */
function merged(a: Shape, b: Shape): Shape {
  if (typeof a === 'string' && typeof b === 'string')
    return [...new Set([...a.split('|'), ...b.split('|')])].sort().join('|');
  if (isList(a) && isList(b)) {
    const [first, second] = [a[0], b[0]];
    if (first === undefined && second === undefined) return [];
    const one = first === undefined || second === undefined ? (first ?? second ?? 'absent') : merged(first, second);
    const maybeEmpty = [a, b].some((list) => list.length !== 1);
    return maybeEmpty ? [one, MAYBE_EMPTY] : [one];
  }
  if (isKeys(a) && isKeys(b)) {
    const keys = new Set([...Object.keys(a), ...Object.keys(b)].sort());
    return Object.fromEntries([...keys].map((key) => [key, merged(a[key] ?? 'absent', b[key] ?? 'absent')]));
  }
  return merged(typeof a === 'string' ? a : kind(a), typeof b === 'string' ? b : kind(b));
}

const isList = (shape: Shape): shape is readonly Shape[] => Array.isArray(shape);
const isKeys = (shape: Shape): shape is { readonly [key: string]: Shape } =>
  typeof shape === 'object' && !Array.isArray(shape);
const kind = (shape: Shape): string => (isList(shape) ? 'list' : 'object');

/** Lists: the lab's elements may be of fewer kinds than the recorded ones, not of others. Empty is never like full. */
function shapeDifference(recorded: Shape, got: Shape, at: string): string | null {
  if (typeof recorded === 'string' || typeof got === 'string') {
    const known = (typeof recorded === 'string' ? recorded : kind(recorded)).split('|');
    const found = (typeof got === 'string' ? got : kind(got)).split('|');
    return found.every((type) => known.includes(type))
      ? null
      : `${at}: recorded ${known.join('|')}, the lab ${found.join('|')}`;
  }
  if (isList(recorded) && isList(got)) {
    const [known, found] = [recorded[0], got[0]];
    const mayBeEmpty = recorded.length !== 1;
    if (got.length !== 1 && !mayBeEmpty) return `${at}: recorded full, the lab empty`;
    if (found === undefined) return null;
    return known === undefined ? `${at}: recorded empty, the lab full` : shapeDifference(known, found, `${at}[]`);
  }
  if (!isKeys(recorded) || !isKeys(got)) return `${at}: recorded ${kind(recorded)}, the lab ${kind(got)}`;
  for (const key of new Set([...Object.keys(recorded), ...Object.keys(got)])) {
    const found = shapeDifference(recorded[key] ?? 'absent', got[key] ?? 'absent', `${at}.${key}`);
    if (found) return found;
  }
  return null;
}

const show = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 600);

function sortedText(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) => {
      if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
      return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
    }) ?? 'nothing'
  );
}
