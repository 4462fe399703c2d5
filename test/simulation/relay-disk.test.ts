// The disk of the simulator against what relay/ports.ts promises of one: bytes that were read stay as they were read.
import { expect, test } from 'vitest';
import { Faults } from './faults.ts';
import { randomOf } from './prng.ts';
import { RelayDisk } from './relay-disk.ts';
import { Site } from './site.ts';
import { Timeline } from './timeline.ts';
import { Trace } from './trace.ts';

const FILE = 'journal';
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (read: Uint8Array | undefined): string => new TextDecoder().decode(read);

function aDisk() {
  const timeline = new Timeline(0);
  const now = () => timeline.now;
  const faults = new Faults(1, now, 0, false);
  const disk = new RelayDisk(
    new Site({ timeline, faults, trace: new Trace(now, null), network: randomOf(1, 'network') }, [], false),
  );
  const open = () =>
    disk.openFor({ hear: (ms, work) => void timeline.after(ms, work), point: () => {}, isGone: () => false });
  const settle = (): void => {
    while (timeline.step(Number.MAX_SAFE_INTEGER));
  };
  return { disk, open: open(), settle };
}

test('what was read of a file is not changed by what is written after', () => {
  const { disk, open, settle } = aDisk();
  const seen: [Uint8Array | undefined, string][] = [];
  for (const [index, record] of ['a', 'bc', 'def', 'ghij', 'klmno'].entries()) {
    void open.append(FILE, bytes(record));
    settle();
    const whole = 'abcdefghijklmno'.slice(0, ((index + 1) * (index + 2)) / 2);
    seen.push([disk.files.get(FILE), whole]);
  }
  for (const [read, whole] of seen) expect(text(read)).toBe(whole);
});

test('a file that was cut short or replaced grows from there, and leaves what was read before alone', () => {
  const { disk, open, settle } = aDisk();
  void open.append(FILE, bytes('one two'));
  settle();
  const first = disk.files.get(FILE);
  void open.truncate(FILE, 4);
  settle();
  void open.append(FILE, bytes('six'));
  settle();
  expect([text(disk.files.get(FILE)), text(first)]).toEqual(['one six', 'one two']);
  void open.replace(FILE, bytes('new'));
  settle();
  void open.append(FILE, bytes(' end'));
  settle();
  expect([text(disk.files.get(FILE)), text(first)]).toEqual(['new end', 'one two']);
});
