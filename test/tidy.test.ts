// The laws of the repository. Each failure names the file, the line and the rule.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { importRefusal } from './tidy/layers.ts';
import { ROOT, sourceFiles, trackedFiles } from './tidy/source-files.ts';

const files = sourceFiles();
const tracked = trackedFiles();
const isTest = (path: string): boolean => path.startsWith('test/');
/** This file and its support name what they forbid. */
const isLaw = (path: string): boolean => path === 'test/tidy.test.ts' || path.startsWith('test/tidy/');

const isComment = (line: string): boolean => /^\s*(\/\/|\/?\*)/.test(line);

function linesWith(pattern: RegExp, where: (path: string) => boolean): string[] {
  return files
    .filter((file) => where(file.path) && !isLaw(file.path))
    .flatMap((file) =>
      file.lines.flatMap((line, index) =>
        !isComment(line) && pattern.test(line) ? [`${file.path}:${index + 1} ${line.trim()}`] : [],
      ),
    );
}

test('imports follow the layers', () => {
  const refused = files.flatMap((file) =>
    file.imports.flatMap((one) => {
      const why = importRefusal(file.path, one.target);
      return why === null ? [] : [`${file.path}:${one.line} ${why}`];
    }),
  );
  expect(refused).toEqual([]);
});

test('the API reaches the planner through the objects only', () => {
  const reached = files
    .filter((file) => file.path.startsWith('functions/api/'))
    .flatMap((file) =>
      file.imports
        .filter((one) => one.target.startsWith('functions/objects/') && !one.typeOnly)
        .map((one) => `${file.path}:${one.line}`),
    );
  expect(reached).toEqual([]);
});

test('a file has at most 300 lines', () => {
  const long = files
    .filter((file) => file.lines.length > 301)
    .map((file) => `${file.path} has ${file.lines.length - 1}`);
  expect(long).toEqual([]);
});

test('the planner and the contracts have no clock, no randomness and no I/O', () => {
  const impure = linesWith(
    /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bsetTimeout\b|\bsetInterval\b|\bfetch\(|\bcrypto\.|\bconsole\.|\bawait\b/,
    (path) => path.startsWith('functions/plan/') || path.startsWith('shared/'),
  );
  expect(impure).toEqual([]);
});

test('the relay has clock, randomness and timers in its adapters only', () => {
  const impure = linesWith(
    /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bsetTimeout\(|\bsetInterval\(|\bfetch\(/,
    (path) => path.startsWith('relay/') && !path.startsWith('relay/adapters/'),
  );
  expect(impure).toEqual([]);
});

test('nothing is silenced, left for later or switched off', () => {
  const loose = linesWith(
    /\bas any\b|: any\b|<any>|@ts-ignore|@ts-expect-error|@ts-nocheck|\.only\(|test\.todo|catch \{\s*\}|catch \([a-z]+\) \{\s*\}/,
    () => true,
  );
  expect(loose).toEqual([]);
});

test('work left for later is an issue, not a comment', () => {
  const left = files
    .filter((file) => !isLaw(file.path))
    .flatMap((file) =>
      file.lines.flatMap((line, at) => (/\b(TODO|FIXME|XXX)\b/.test(line) ? [`${file.path}:${at + 1}`] : [])),
    );
  expect(left).toEqual([]);
});

test.each(['functions/plan/SPEC.md', 'shared/PROTOCOL.md'])('each rule of %s has an id of its own', (path) => {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const ids = [...text.matchAll(/^- \*\*([A-Z]+\d+)\*\*/gm)].map(([, id]) => id);
  expect(ids.length).toBeGreaterThan(20);
  expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
});

test('files are named for what they hold', () => {
  const vague = tracked.filter((path) => /(^|\/)(utils?|helpers?|common|misc|index|manager|service)\.tsx?$/.test(path));
  const unlike = files.map((file) => file.path).filter((path) => !/(^|\/)[a-z0-9]+([.-][a-z0-9]+)*\.tsx?$/.test(path));
  expect([...vague, ...unlike]).toEqual([]);
});

test('the top level holds what the README says, and nothing else', () => {
  const allowed = new Set([
    '.ci',
    '.gitignore',
    '.npmrc',
    'LICENSE',
    'README.md',
    'biome.json',
    'functions',
    'migrations',
    'package-lock.json',
    'package.json',
    'relay',
    'shared',
    'test',
    'tsconfig.json',
    'wrangler.toml',
  ]);
  const top = new Set(tracked.map((path) => path.split('/')[0] ?? path));
  expect([...top].filter((name) => !allowed.has(name))).toEqual([]);
});

test('every source is used', () => {
  const entries = new Set([
    'functions/worker.ts',
    'relay/main.ts',
    'test/lab/main.ts',
    'test/demo/main.ts',
    'test/run-all.ts',
    // Loaded by name (test/lab/load-driver.ts).
    'test/lab/machines/simulated.ts',
    'test/lab/machines/cloud-init.ts',
    // Bundled in the Worker's place, by its path (test/support/edge-process.ts).
    'test/edge/failpoint-worker.ts',
    'test/vitest.config.ts',
    'migrations/drizzle.config.ts',
  ]);
  const manifest = readFileSync(join(ROOT, 'package.json'), 'utf8');
  const used = new Set(files.flatMap((file) => file.imports.map((one) => one.target)));
  const dead = files
    .map((file) => file.path)
    .filter(
      (path) =>
        !used.has(path) &&
        !entries.has(path) &&
        !path.endsWith('.test.ts') &&
        !path.endsWith('.d.ts') &&
        !manifest.includes(path),
    );
  // Vitest loads these by configuration.
  expect(
    dead.filter(
      (path) => !readFileSync(join(ROOT, 'test/vitest.config.ts'), 'utf8').includes(path.replace(/^test\//, './')),
    ),
  ).toEqual([]);
});

test('every rule of a SPEC or PROTOCOL is quoted by a test, and every quoted rule exists', () => {
  const stated = new Map<string, string>();
  for (const path of tracked.filter((one) => /(SPEC|PROTOCOL)\.md$/.test(one))) {
    for (const [, id] of readFileSync(join(ROOT, path), 'utf8').matchAll(
      /^\s*[-*|]\s*\*\*\[?([A-Z]{1,2}\d+[a-z]?)\]?\*\*/gm,
    ))
      stated.set(id ?? '', path);
  }
  const quoted = new Set<string>();
  for (const file of files.filter((one) => one.path.endsWith('.test.ts') && !isLaw(one.path))) {
    for (const [, ids] of file.text.matchAll(/\[((?:[A-Z]{1,2}\d+[a-z]?)(?:[,\s]+[A-Z]{1,2}\d+[a-z]?)*)\]/g)) {
      for (const id of (ids ?? '').split(/[,\s]+/)) quoted.add(id);
    }
  }
  const untested = [...stated]
    .filter(([id]) => !quoted.has(id))
    .map(([id, path]) => `${path}: ${id} is quoted by no test`);
  expect(untested).toEqual([]);
});

test('nothing tracked names a path of a machine or a package registry', () => {
  const found = tracked
    .filter((path) => path !== 'package-lock.json' && !isLaw(path))
    .flatMap((path) => {
      const text = readFileSync(join(ROOT, path), 'latin1');
      return /\/(?:work|farm)\/(?:main|shared)\b|\/tmp\/bash_jobs|registry\.npm[j]s\.org|deb\.deb[i]an\.org/.test(text)
        ? [path]
        : [];
    });
  expect(found).toEqual([]);
});

test('a skipped test says why', () => {
  const silent = linesWith(/\b(?:test|it|describe)\.skip\(/, isTest);
  expect(silent).toEqual([]);
});
