// Whether the API is up, and who asks.
import { z } from 'zod';
import { WhoAmI } from '../../shared/api-key.ts';
import { ok } from '../../shared/result.ts';
import { READERS } from './roles.ts';
import { definePublicRoute, defineRoute, Nothing } from './route.ts';

export const getHealth = definePublicRoute(
  {
    method: 'GET',
    path: '/v1/health',
    summary: 'Whether the API answers',
    access: 'public',
    params: Nothing,
    query: Nothing,
    body: Nothing,
    answers: { 200: z.strictObject({ ok: z.literal(true) }) },
    problems: [],
  },
  async () => ok({ status: 200, body: { ok: true } }),
);

export const whoAmI = defineRoute(
  {
    method: 'GET',
    path: '/v1/whoami',
    summary: 'Whose key this is',
    roles: READERS,
    params: Nothing,
    query: Nothing,
    body: Nothing,
    answers: { 200: WhoAmI },
    problems: [],
  },
  async ({ principal }) => {
    const { keyId, keyName: name, role, scope } = principal;
    return ok({ status: 200, body: { keyId, name, role, ...scope } });
  },
);
