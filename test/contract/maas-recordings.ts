// The recorded exchanges with a real MAAS 3.7.3: whole ones from ../shared where that exists, and the compact form that
// every clone has in recorded/maas-3.7.3.json.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type Expectation, expectationOf, expectationSchema, type Shape, shapeSchema } from './maas-expectation.ts';

const pairsSchema = z.union([
  z.record(z.string(), z.union([z.string(), z.number()])),
  z.array(z.tuple([z.string(), z.union([z.string(), z.number()])])),
]);

export const requestSchema = z.object({
  method: z.string(),
  path: z.string(),
  query: z.record(z.string(), z.union([z.string(), z.array(z.string())])).default({}),
  headers: z.record(z.string(), z.string()),
  form: pairsSchema.nullish(),
  multipart: pairsSchema.nullish(),
  raw_body: z.string().nullish(),
});
export type RecordedRequest = z.infer<typeof requestSchema>;

export type Recording = {
  readonly scenario: string;
  readonly family: string;
  /** Epoch seconds of the region when it answered; null when the recording does not say. */
  readonly atSeconds: number | null;
  readonly request: RecordedRequest;
  readonly expectation: Expectation;
};

const exchangeSchema = z.object({
  scenario: z.string(),
  request: requestSchema,
  response: z.object({
    status: z.number(),
    content_type: z.string().nullable(),
    headers: z.record(z.string(), z.string()),
    body_is_json: z.boolean(),
    body: z.unknown(),
  }),
});

const SHARED = fileURLToPath(new URL('../../../shared/maas/', import.meta.url));
export const COMPACT_FILE = fileURLToPath(new URL('recorded/maas-3.7.3.json', import.meta.url));

/** null when the folder beside the project is not there, as in a clone elsewhere. */
export function readSharedRecordings(): Recording[] | null {
  if (!existsSync(`${SHARED}exchanges`)) return null;
  const families = new Map<string, { family: string; at: string }>();
  for (const line of readFileSync(`${SHARED}families.tsv`, 'utf8').split('\n').slice(1)) {
    const [family, scenario, at] = line.split('\t');
    if (family && scenario) families.set(scenario, { family, at: at ?? '' });
  }
  return readdirSync(`${SHARED}exchanges`)
    .sort()
    .map((file) => {
      const exchange = exchangeSchema.parse(JSON.parse(readFileSync(`${SHARED}exchanges/${file}`, 'utf8')));
      const { family, at } = families.get(exchange.scenario) ?? { family: 'unlisted', at: '' };
      const { status, content_type, headers, body_is_json, body } = exchange.response;
      const bodyText = body_is_json ? JSON.stringify(body) : z.string().parse(body ?? '');
      return {
        scenario: exchange.scenario,
        family,
        atSeconds: at === '' ? null : Number(at),
        request: exchange.request,
        expectation: expectationOf({
          status,
          contentType: content_type,
          retryAfter: headers['Retry-After'] ?? null,
          body: bodyText,
        }),
      };
    });
}

export const compactSchema = z.object({
  note: z.string(),
  /** Shapes that many answers share, such as that of a subnet; `@3` elsewhere means the fourth of them. */
  shapes: z.array(shapeSchema),
  recordings: z.array(
    z.object({
      scenario: z.string(),
      family: z.string(),
      atSeconds: z.number().nullable(),
      request: requestSchema,
      expectation: expectationSchema,
    }),
  ),
});

export function readCompactRecordings(): Recording[] {
  const { shapes, recordings } = compactSchema.parse(JSON.parse(readFileSync(COMPACT_FILE, 'utf8')));
  return recordings.map((recording) => {
    const { shape, ...rest } = recording.expectation;
    return { ...recording, expectation: shape === undefined ? rest : { ...rest, shape: unfolded(shape, shapes) } };
  });
}

/** Puts every object of a shape into the table, inner ones first, and leaves its number in its place. */
export function folded(shape: Shape, table: Shape[], known: Map<string, number>): Shape {
  if (typeof shape === 'string') return shape;
  if (Array.isArray(shape)) return shape.map((inner) => folded(inner, table, known));
  const small = Object.fromEntries(Object.entries(shape).map(([key, inner]) => [key, folded(inner, table, known)]));
  const text = JSON.stringify(small);
  const index = known.get(text) ?? table.push(small) - 1;
  known.set(text, index);
  return `@${index}`;
}

function unfolded(shape: Shape, table: readonly Shape[]): Shape {
  if (typeof shape === 'string') {
    const named = shape.startsWith('@') ? table[Number(shape.slice(1))] : undefined;
    return named === undefined ? shape : unfolded(named, table);
  }
  if (Array.isArray(shape)) return shape.map((inner) => unfolded(inner, table));
  return Object.fromEntries(Object.entries(shape).map(([key, inner]) => [key, unfolded(inner, table)]));
}
