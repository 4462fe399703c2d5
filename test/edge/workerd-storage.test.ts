import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, test } from 'vitest';
import { workerdSql } from '../../functions/objects/sql.ts';
import { STORAGE_CASES } from '../storage/storage-suite.ts';

describe('storage over the SQLite of a Durable Object', () => {
  for (const { name, run } of STORAGE_CASES) {
    test(name, async () => {
      const stub = env.GATEWAY.getByName(`storage of: ${name}`);
      await runInDurableObject(stub, (_instance, state) => run(workerdSql(state.storage)));
    });
  }
});
