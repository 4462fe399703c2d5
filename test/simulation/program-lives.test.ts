// What the audit of upgrades takes for a good reason to fall back: too little and it cries wolf, too much and it hides bugs.
import { expect, test } from 'vitest';
import { ProgramLives } from './program-lives.ts';

const SOON_MS = 5_000;
const LONG_MS = 600_000;

function relay() {
  const timeline = { now: 0 };
  const told: string[] = [];
  const node = { name: 'relay-1' };
  const lives = new ProgramLives({ timeline, violate: (invariant) => void told.push(invariant) });
  const after = (delayMs: number, event: string, detail = ''): void => {
    timeline.now += delayMs;
    lives.hear(node, event, { detail });
  };
  return {
    told,
    hasFallenBack: () => lives.hasFallenBack(node),
    accepts: () => after(SOON_MS, 'program-accepted'),
    startsAgainAfter: (delayMs: number) => {
      after(delayMs, 'session-open');
      after(0, 'program-started');
    },
    givesUp: () => after(SOON_MS, 'program-given-up', 'it ended soon after its start 3 times in a row'),
    findsItChanged: () => after(SOON_MS, 'program-given-up', 'its file is missing, or was changed'),
  };
}

test('three short lives in a row, the one after its trial among them, are a reason to fall back', () => {
  const { accepts, startsAgainAfter, givesUp, hasFallenBack, told } = relay();
  accepts();
  for (const life of [SOON_MS, SOON_MS]) startsAgainAfter(life);
  givesUp();
  expect([hasFallenBack(), told]).toEqual([true, []]);
});

test('fewer are none, nor three with one between them that got on', () => {
  for (const lives of [[SOON_MS], [SOON_MS, LONG_MS, SOON_MS]]) {
    const { accepts, startsAgainAfter, givesUp, told } = relay();
    accepts();
    for (const life of lives) startsAgainAfter(life);
    givesUp();
    expect(told, lives.join(' ')).toEqual(['U4']);
  }
});

test('a program that is accepted later has to serve: what came before it excuses nothing', () => {
  const { accepts, startsAgainAfter, givesUp, hasFallenBack } = relay();
  accepts();
  for (const life of [SOON_MS, SOON_MS]) startsAgainAfter(life);
  givesUp();
  accepts();
  expect(hasFallenBack()).toBe(false);
});

test('a file that was changed excuses nothing: no fault of a life does that', () => {
  const { accepts, findsItChanged, hasFallenBack } = relay();
  accepts();
  findsItChanged();
  expect(hasFallenBack()).toBe(false);
});
