// Every problem that a test meets has to be one that the API's description names for its route: a client has nothing else to go by.
import { expect } from 'vitest';
import { z } from 'zod';
import { problemCodesOf } from '../../functions/api/openapi.ts';
import { ROUTES } from '../../functions/api/routes.ts';

const Coded = z.looseObject({ code: z.string() });

/** Reads a copy: the answer stays to be read. An address that is no route's is not described. */
export async function expectDocumented(method: string, path: string, response: Response): Promise<void> {
  if (response.headers.get('content-type') !== 'application/problem+json') return;
  const [address = ''] = path.split('?');
  const route = ROUTES.find((one) => one.method === method && matcherOf(one.path).test(address));
  if (route === undefined) return;
  const { code } = Coded.parse(await response.clone().json());
  const name = `${route.method} ${route.path}`;
  expect(problemCodesOf(route), `${name} answers ${code}, which its description does not name`).toContain(code);
}

const matcherOf = (path: string): RegExp =>
  new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`);
