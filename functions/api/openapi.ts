// OpenAPI 3.1 from the route table and the same schemas that check requests and answers: what is not in the table is not served,
// and what is served is in the document.
import { z } from 'zod';
import { Problem, type ProblemCode, problemOf } from '../../shared/problem.ts';
import { REPEAT_HEADER } from './repeat-request.ts';
import type { Route } from './route.ts';

type Json = z.infer<ReturnType<typeof z.json>>;
type JsonObject = { [key: string]: Json };

/** @param names what a schema is called among the components; others stand where they are used */
export function openApiDocument(routes: readonly Route[], names: ReadonlyMap<z.ZodType, string>): JsonObject {
  const components = new Components(names);
  const paths: { [path: string]: { [method: string]: JsonObject } } = {};
  for (const route of routes) {
    const path = paths[route.path] ?? {};
    path[route.method.toLowerCase()] = operation(route, components);
    paths[route.path] = path;
  }
  const schemas = { ...components.schemas, Problem: components.inline(Problem, 'output') };
  return {
    openapi: '3.1.0',
    info: { title: 'Slipway', version: '1', description: 'Clusters of Kubernetes from bare metal behind MAAS.' },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas,
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'An API key, slw_…' },
        setupSecret: { type: 'http', scheme: 'bearer', description: 'The SETUP_SECRET of this deployment.' },
      },
    },
  };
}

function operation(route: Route, components: Components): JsonObject {
  const parameters = [
    ...parametersOf('path', route.params, components),
    ...parametersOf('query', route.query, components),
    ...(route.method === 'POST' && typeof route.access !== 'string' ? [repeatHeader()] : []),
  ];
  const takesBody = route.body instanceof z.ZodObject ? Object.keys(route.body.shape).length > 0 : true;
  const content = { 'application/json': { schema: components.refer(route.body, 'input') } };
  return {
    operationId: operationId(route),
    summary: route.summary,
    ...(typeof route.access === 'string' ? {} : { description: `Roles: ${route.access.join(', ')}.` }),
    security: securityOf(route),
    parameters,
    ...(takesBody ? { requestBody: { required: true, content } } : {}),
    responses: { ...answersOf(route, components), ...problemsOf(route) },
  };
}

const operationId = (route: Route): string =>
  `${route.method} ${route.path.replace('/v1/', '')}`
    .toLowerCase()
    .replace(/[{}]/g, '')
    .replace(/[^a-z]+(.)/g, (_all, next: string) => next.toUpperCase());

function securityOf(route: Route): Json {
  if (route.access === 'public') return [];
  return route.access === 'setup-secret' ? [{ setupSecret: [] }] : [{ apiKey: [] }];
}

function parametersOf(place: 'path' | 'query', schema: z.ZodObject, components: Components): JsonObject[] {
  return Object.entries(schema.shape).map(([name, field]) => ({
    name,
    in: place,
    required: place === 'path',
    schema: components.inline(field, 'output'),
  }));
}

const repeatHeader = (): JsonObject => ({
  name: REPEAT_HEADER,
  in: 'header',
  required: false,
  description: 'Makes repeats of this request answer as the first did, for 24 hours.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
});

function answersOf(route: Route, components: Components): JsonObject {
  const answers = Object.entries(route.answers).map(([status, schema]) => {
    const type = route.streams ?? 'application/json';
    const content = schema === null ? {} : { content: { [type]: { schema: components.refer(schema, 'output') } } };
    return [status, { description: schema === null ? 'Done' : 'Answer', ...content }];
  });
  return Object.fromEntries(answers);
}

/** By status, with the codes it may carry. */
function problemsOf(route: Route): JsonObject {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of problemCodesOf(route)) {
    const { status } = problemOf({ code, detail: '' }, '');
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const content = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [String(status), { description: codes.join(', '), content }]),
  );
}

/** Every code that a route can answer. */
export function problemCodesOf(route: Route): readonly ProblemCode[] {
  const codes = new Set<ProblemCode>([...route.problems, 'INTERNAL', 'QUERY_INVALID']);
  if (typeof route.access !== 'string') codes.add('UNAUTHENTICATED').add('FORBIDDEN');
  if (Object.keys(route.params.shape).length > 0) codes.add('NOT_FOUND');
  if (route.method !== 'GET') codes.add('BODY_INVALID').add('BODY_NOT_JSON').add('BODY_TOO_LARGE');
  if (route.method === 'POST' && typeof route.access !== 'string') {
    codes.add('IDEMPOTENCY_KEY_REUSED').add('IDEMPOTENCY_KEY_IN_USE');
  }
  return [...codes];
}

/** Schemas by name. What is sent and what is answered differ (defaults), so each has its own. */
class Components {
  readonly schemas: { [name: string]: Json } = {};
  readonly #names: ReadonlyMap<z.ZodType, string>;

  constructor(names: ReadonlyMap<z.ZodType, string>) {
    this.#names = names;
  }

  refer(schema: z.ZodType, io: 'input' | 'output'): Json {
    const known = this.#names.get(schema);
    if (known === undefined) return this.inline(schema, io);
    const name = io === 'input' ? `${known}Input` : known;
    this.schemas[name] ??= this.inline(schema, io, name);
    return { $ref: `#/components/schemas/${name}` };
  }

  /** As it stands; what zod puts into `$defs` (recursive schemas) moves to the components, where references can find it. */
  inline(schema: z.ZodType, io: 'input' | 'output', name = 'Inline'): Json {
    const made = z.json().parse(JSON.parse(JSON.stringify(z.toJSONSchema(schema, { io, unrepresentable: 'any' }))));
    if (typeof made !== 'object' || made === null || Array.isArray(made)) return made;
    const { $schema: _, $defs, ...rest } = made;
    if (typeof $defs !== 'object' || $defs === null || Array.isArray($defs)) return rest;
    const moved = (part: Json): Json =>
      z.json().parse(JSON.parse(JSON.stringify(part).replaceAll('"#/$defs/', `"#/components/schemas/${name}_`)));
    for (const [key, definition] of Object.entries($defs)) this.schemas[`${name}_${key}`] = moved(definition);
    return moved(rest);
  }
}
