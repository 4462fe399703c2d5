import { expect, test } from 'vitest';
import { createMachineSources } from '../../relay/enrolment/machine-sources.ts';
import type { MachineFacts } from '../../shared/machine.ts';
import { aSystemId } from '../relay-maas/scripted-maas.ts';
import { CLAIM, CLUSTER } from './commands.ts';

const FACTS: Omit<MachineFacts, 'systemId' | 'addresses'> = {
  ...{ hostname: 'm', fqdn: 'm.maas', status: 'deployed', owner: 'us', claim: CLAIM, zone: 'default', pool: 'default' },
  ...{ tags: [], architecture: 'amd64/generic', cpuCores: 4, memoryMiB: 8_192, disksGB: [60], powerState: 'on' },
  ...{ powerType: 'ipmi', locked: false, image: 'ubuntu/noble', errorDescription: '' },
};

test('a machine is checked against what MAAS said of it last, and not at all when MAAS said nothing or it is not ours', () => {
  const sources = createMachineSources();
  const systemId = aSystemId('abc123');
  const see = (addresses: string[] | null, ours = true): void => {
    const facts = addresses === null ? null : { ...FACTS, systemId, addresses };
    sources.observed({ clusterId: CLUSTER, at: 1, fact: { kind: 'machine', claim: CLAIM, systemId, ours, facts } });
  };
  expect(sources.addressesOf(systemId)).toBeNull();
  see(['10.0.0.5', '10.0.1.5']);
  expect(sources.addressesOf(systemId)).toEqual(['10.0.0.5', '10.0.1.5']);
  see([]);
  expect(sources.addressesOf(systemId)).toBeNull();
  see(['10.0.0.6']);
  see(['10.0.0.6'], false);
  expect(sources.addressesOf(systemId)).toBeNull();
  see(['10.0.0.7']);
  see(null);
  expect(sources.addressesOf(systemId)).toBeNull();
});

test('an inventory tells where machines may be, and who may enrol stays what was said of our own', () => {
  const sources = createMachineSources();
  const [free, ours] = [aSystemId('free11'), aSystemId('ours11')];
  const facts = { ...FACTS, systemId: ours, addresses: ['10.0.1.5'] };
  const fact = { kind: 'machine', claim: CLAIM, systemId: ours, ours: true, facts } as const;
  sources.observed({ clusterId: CLUSTER, at: 1, fact });
  sources.inventoried({ machines: [{ ...FACTS, systemId: free, addresses: ['10.0.0.9'] }] });
  expect(sources.addresses()).toEqual(['10.0.0.9', '10.0.1.5']);
  expect(sources.addressesOf(free)).toBeNull();
  sources.inventoried({ machines: [] });
  expect(sources.addresses()).toEqual(['10.0.1.5']);
});
