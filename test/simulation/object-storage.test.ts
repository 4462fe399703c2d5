// The one suite of what the objects need from SQLite, on the simulator's.
import { describe, test } from 'vitest';
import { STORAGE_CASES } from '../storage/storage-suite.ts';
import { ObjectStorage } from './object-storage.ts';

describe("storage over the simulator's SQLite", () => {
  for (const { name, run } of STORAGE_CASES) {
    test(name, () => {
      const storage = new ObjectStorage();
      run(storage);
      storage.commit();
      storage.close();
    });
  }
});
