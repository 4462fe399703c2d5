import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { BINDINGS } from '../functions/bindings.ts';

const wrangler = readFileSync(new URL('../wrangler.toml', import.meta.url), 'utf8');

/** The value of the first `key = value` line. */
function written(key: string): unknown {
  const line = wrangler.split('\n').find((one) => one.startsWith(`${key} = `));
  return line === undefined ? undefined : JSON.parse(line.slice(key.length + 3));
}

test('wrangler.toml and bindings.ts ask for the same runtime', () => {
  expect({
    name: written('name'),
    main: written('main'),
    compatibilityDate: written('compatibility_date'),
    compatibilityFlags: written('compatibility_flags'),
    catalogue: {
      binding: written('binding'),
      databaseName: written('database_name'),
      migrations: written('migrations_dir'),
    },
    crons: written('crons'),
    classes: written('new_sqlite_classes'),
  }).toEqual({
    name: BINDINGS.name,
    main: BINDINGS.main,
    compatibilityDate: BINDINGS.compatibilityDate,
    compatibilityFlags: BINDINGS.compatibilityFlags,
    catalogue: BINDINGS.catalogue,
    crons: BINDINGS.crons,
    classes: BINDINGS.objects.map(({ className }) => className),
  });
});

test('wrangler.toml binds the bucket of releases', () => {
  const { binding, bucketName } = BINDINGS.releases;
  expect(wrangler).toContain(`[[r2_buckets]]\nbinding = "${binding}"\nbucket_name = "${bucketName}"`);
});

test.each(BINDINGS.objects)('wrangler.toml binds $binding to $className', ({ binding, className }) => {
  expect(wrangler).toContain(`[[durable_objects.bindings]]\nname = "${binding}"\nclass_name = "${className}"`);
});

test('wrangler.toml names every setting', () => {
  for (const name of BINDINGS.settings) expect(wrangler).toContain(name);
});
