import { describe, test } from 'vitest';
import { nodeSql } from '../support/node-sql.ts';
import { STORAGE_CASES } from './storage-suite.ts';

describe('storage over node:sqlite', () => {
  for (const { name, run } of STORAGE_CASES) {
    test(name, () => {
      const sql = nodeSql();
      run(sql);
      sql.close();
    });
  }
});
