// lab.yaml: what it may hold, what is filled in, and that mistakes are named.

import { expect, test } from 'vitest';
import { defaultInventory, parseInventory } from '../lab/inventory.ts';

const YAML = `
subnets:
  - cidr: 192.0.2.0/24
    gateway: 192.0.2.1
    reserved: [{ start: 192.0.2.200, end: 192.0.2.210 }]
machines:
  - { id: abc123, hostname: rack1-1, ip: 192.0.2.11, mac: "52:54:00:aa:bb:01", cpu: 4, memoryMiB: 8192, disks: [240, { gb: 960, tags: [nvme] }], zone: a, tags: [gpu] }
timings: { deployMs: 5 }
`;

test('a file of the documented form is read, with the rest filled in', () => {
  const parsed = parseInventory(YAML);
  expect(parsed.ok && parsed.value.machines[0]).toMatchObject({
    id: 'abc123',
    pool: 'default',
    powerType: 'ipmi',
    disks: [240, { gb: 960, tags: ['nvme'] }],
  });
  expect(parsed.ok && parsed.value.timings).toMatchObject({ deployMs: 5, nodeTimeoutMs: 1_800_000 });
});

test.each([
  ['not YAML', '{', 'unexpected'],
  ['a field that is not there', YAML.replace('memoryMiB', 'memory'), 'memory'],
  ['a bad id', YAML.replace('abc123', 'toolong1'), 'six lower-case'],
  [
    'two machines of one address',
    `${YAML.replace('timings', '  - { id: abc124, hostname: b, ip: 192.0.2.11, mac: "52:54:00:aa:bb:02" }\ntimings')}`,
    'share ip 192.0.2.11',
  ],
])('%s is refused by name', (_what, text, words) => {
  const parsed = parseInventory(text);
  expect(parsed.ok ? '' : parsed.error.detail).toContain(words);
});

test('the default racks hold as many machines as asked, all different, spread over the zones', () => {
  const { machines } = defaultInventory({ machines: 500, zones: 3 });
  expect(new Set(machines.map((machine) => machine.ip)).size).toBe(500);
  expect(new Set(machines.map((machine) => machine.zone))).toEqual(new Set(['az1', 'az2', 'az3']));
});
