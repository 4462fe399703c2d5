import { expect, test } from 'vitest';
import { z } from 'zod';
import { problemCodesOf } from '../../functions/api/openapi.ts';
import { ROUTES } from '../../functions/api/routes.ts';
import { answerOf, callApi } from './call-api.ts';

// The parts of OpenAPI 3.1.0 that the document uses, strictly: a misspelt field fails.
const Schema = z.union([z.boolean(), z.record(z.string(), z.json())]);
const Content = z.record(z.string().regex(/^[a-z]+\/[a-z+.-]+$/), z.strictObject({ schema: Schema }));
const Operation = z.strictObject({
  operationId: z.string().regex(/^[a-z][A-Za-z]+$/),
  summary: z.string().min(1),
  description: z.string().optional(),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  parameters: z.array(
    z.strictObject({
      name: z.string(),
      in: z.enum(['path', 'query', 'header']),
      required: z.boolean(),
      description: z.string().optional(),
      schema: Schema,
    }),
  ),
  requestBody: z.strictObject({ required: z.literal(true), content: Content }).optional(),
  responses: z.record(
    z.string().regex(/^[2-5]\d\d$/),
    z.strictObject({ description: z.string().min(1), content: Content.optional() }),
  ),
});
const Document = z.strictObject({
  openapi: z.literal('3.1.0'),
  info: z.strictObject({ title: z.string(), version: z.string(), description: z.string() }),
  servers: z.array(z.strictObject({ url: z.string() })),
  paths: z.record(
    z.string().startsWith('/v1/'),
    z.partialRecord(z.enum(['get', 'post', 'patch', 'delete']), Operation),
  ),
  components: z.strictObject({
    schemas: z.record(z.string().regex(/^[A-Za-z0-9._-]+$/), Schema),
    securitySchemes: z.record(
      z.string(),
      z.strictObject({ type: z.literal('http'), scheme: z.literal('bearer'), description: z.string() }),
    ),
  }),
});

const read = () => answerOf(callApi('GET', '/v1/openapi.json'), 200, Document);

test('the document is OpenAPI 3.1 and every reference in it leads somewhere', async () => {
  const document = await read();
  const text = JSON.stringify(document);
  const targets = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, target = '']) => target);
  expect(targets.length).toBeGreaterThan(20);
  for (const target of new Set(targets)) {
    expect(target).toMatch(/^#\/components\/schemas\//);
    expect(document.components.schemas).toHaveProperty([target.slice('#/components/schemas/'.length)]);
  }
  expect(text).not.toContain('$defs');
  expect(text).not.toContain('"$schema"');
});

test('every route is in it, and nothing else, each with its own name', async () => {
  const document = await read();
  const written = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(written.sort()).toEqual(ROUTES.map((route) => `${route.method} ${route.path}`).sort());
  const ids = Object.values(document.paths).flatMap((methods) => Object.values(methods).map((one) => one.operationId));
  expect(new Set(ids).size).toBe(ids.length);
});

test('path parameters, bodies, answers and problems are those of the route', async () => {
  const document = await read();
  for (const route of ROUTES) {
    const methods = new Map(Object.entries(document.paths[route.path] ?? {}));
    const operation = Operation.parse(methods.get(route.method.toLowerCase()));
    const inPath = operation.parameters.filter((one) => one.in === 'path').map((one) => one.name);
    expect(inPath).toEqual([...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    for (const status of Object.keys(route.answers)) expect(operation.responses).toHaveProperty(status);
    const told = Object.values(operation.responses).flatMap((one) => one.description.split(', '));
    for (const code of problemCodesOf(route)) expect(told).toContain(code);
    for (const scheme of operation.security.flatMap((one) => Object.keys(one)))
      expect(document.components.securitySchemes).toHaveProperty(scheme);
  }
});

test('requests show defaults as optional, answers as always there', async () => {
  const { schemas } = (await read()).components;
  const required = (name: string) => z.looseObject({ required: z.array(z.string()) }).parse(schemas[name]).required;
  expect(required('ClusterSpecInput').sort()).toEqual(['accountId', 'name', 'profileId']);
  expect(required('ClusterView')).toContain('waitingOn');
});
