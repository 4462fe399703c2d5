import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { World } from '../plan/world.ts';
import { runLine } from './script.ts';

const folder = new URL('./', import.meta.url);
const names = readdirSync(folder).flatMap((file) => (file.endsWith('.txt') ? [file.slice(0, -4)] : []));

/** Run with `SCENARIOS=write` to write what happens now; then read the difference before it is committed. */
describe('scenarios: what a user reads on the timeline', () => {
  test.each(names)('[WA3] %s', async (name) => {
    const script = readFileSync(new URL(`${name}.txt`, folder), 'utf8');
    const told: string[] = [];
    let world: World | null = null;
    let seen = 0;
    for (const line of script.split('\n').filter((text) => text.trim() !== '')) {
      if (line.startsWith('#')) continue;
      told.push(`> ${line}`);
      world = runLine(world, line);
      for (const { at, message } of world.timeline.slice(seen)) told.push(`${clock(at)} ${message}`);
      seen = world.timeline.length;
    }
    for (const wait of world?.plan.waitingOn ?? []) told.push(`waits: ${wait.sentence}`);
    await expectGolden(`${name}.out`, `${told.join('\n')}\n`);
  });
});

async function expectGolden(file: string, text: string): Promise<void> {
  const path = new URL(file, folder);
  if (process.env.SCENARIOS === 'write') {
    const { writeFileSync } = await import('node:fs');
    writeFileSync(path, text);
  }
  expect(text).toBe(readFileSync(path, 'utf8'));
}

/** Since the beginning of the world. */
function clock(at: number): string {
  const seconds = Math.floor((at - 1_000) / 1_000);
  return `${String(Math.floor(seconds / 60)).padStart(3)}:${String(seconds % 60).padStart(2, '0')}`;
}
