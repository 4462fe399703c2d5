// The lab's MAAS is held to the recordings of a real one: each recorded request is sent again to a lab in the same state,
// and the answers must agree as maas-expectation.ts defines it. The compact recordings run everywhere; the whole ones run
// where ../shared is, and must say the same.

import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { compactText } from './maas-compact.ts';
import { difference, expectationOf } from './maas-expectation.ts';
import { COMPACT_FILE, type Recording, readCompactRecordings, readSharedRecordings } from './maas-recordings.ts';
import { replay } from './maas-replay.ts';
import { buildRig } from './maas-rig.ts';
import { CLOCK_SECONDS, DEFAULT_CLOCK_SECONDS, DIFFERS, NOT_MODELLED, START, TWICE } from './maas-scenarios.ts';

const AGREEMENT_MIN = 0.9;
const HELD_FAMILIES = [
  'auth',
  'machines',
  'allocate',
  'deploy',
  'release',
  'abort',
  'ipaddresses',
  'annotations',
  'rights',
];

const compact = readCompactRecordings();
const shared = readSharedRecordings();

/** null when the lab answers as the real MAAS did, else the first difference. */
async function check(recording: Recording): Promise<string | null> {
  const { scenario, request } = recording;
  const rig = await buildRig(
    CLOCK_SECONDS[scenario] ?? recording.atSeconds ?? signedAt(recording) ?? DEFAULT_CLOCK_SECONDS,
  );
  try {
    for (const step of START[scenario] ?? []) await step(rig);
    if (TWICE.has(scenario)) await replay(rig.port, request);
    return difference(recording.expectation, expectationOf(await replay(rig.port, request)));
  } finally {
    await rig.close();
  }
}

function signedAt(recording: Recording): number | null {
  const match = /oauth_timestamp="?(\d+)/.exec(recording.request.headers.Authorization ?? '');
  return match?.[1] === undefined ? null : Number(match[1]);
}

const suites: (readonly [string, readonly Recording[]])[] = [['compact recordings', compact]];
if (shared) suites.push(['recordings beside the project', shared]);
else console.warn('There is no ../shared/maas beside this project: only the compact recordings are replayed.');

describe.each(suites)('the lab against the %s', (_name, recordings) => {
  const differences = new Map<string, string>();

  test.each(recordings.map((recording) => [recording.scenario, recording] as const))(
    '%s',
    async (scenario, recording) => {
      const found = await check(recording);
      if (found !== null) differences.set(scenario, found);
      if (NOT_MODELLED[scenario] !== undefined)
        expect(found, 'not modelled means a loud 501').toMatch(/, the lab 501$/);
      else if (DIFFERS[scenario] !== undefined) expect(found, 'it agrees now: take it off the list').not.toBeNull();
      else expect(found).toBeNull();
    },
  );

  test('at least nine in ten agree in every family that the product lives by', () => {
    const shares = new Map(agreement(recordings, differences).map(({ family, agree, all }) => [family, agree / all]));
    // A family without recordings counts as lacking, so that an empty file proves nothing.
    expect(HELD_FAMILIES.filter((family) => (shares.get(family) ?? 0) < AGREEMENT_MIN)).toEqual([]);
  });

  afterAll(() => {
    const lines = agreement(recordings, differences).map(
      ({ family, agree, all }) => `  ${family.padEnd(14)} ${agree} of ${all}`,
    );
    const agree = recordings.length - differences.size;
    const reasons = [...differences].map(
      ([scenario, found]) => `  ${scenario}: ${NOT_MODELLED[scenario] ?? DIFFERS[scenario] ?? `NOT LISTED: ${found}`}`,
    );
    console.log(
      [`${_name}: ${agree} of ${recordings.length} agree`, ...lines, 'not modelled, or different:', ...reasons].join(
        '\n',
      ),
    );
  });
});

function agreement(recordings: readonly Recording[], differences: ReadonlyMap<string, string>) {
  return [...new Set(recordings.map((recording) => recording.family))].sort().map((family) => {
    const all = recordings.filter((recording) => recording.family === family);
    return { family, all: all.length, agree: all.filter((recording) => !differences.has(recording.scenario)).length };
  });
}

test('the start states and the reasons name recorded scenarios only', () => {
  const known = new Set(compact.map((recording) => recording.scenario));
  const named = [
    ...Object.keys(START),
    ...Object.keys(NOT_MODELLED),
    ...Object.keys(DIFFERS),
    ...Object.keys(CLOCK_SECONDS),
    ...TWICE,
  ];
  expect(named.filter((scenario) => !known.has(scenario))).toEqual([]);
});

test.skipIf(shared === null)('the compact file is made from the recordings (skipped without ../shared)', () => {
  expect(readFileSync(COMPACT_FILE, 'utf8') === compactText(shared ?? []), 'run maas-compact.ts').toBe(true);
  expect(compact).toEqual(shared);
});
