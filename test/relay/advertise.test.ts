// Which of a host's addresses machines are told: with several cards, with what containers and virtual addresses bring, by name.
import type { NetworkInterfaceInfo } from 'node:os';
import { expect, test } from 'vitest';
import { readConfig } from '../../relay/config.ts';
import { type AdvertiseOrder, chooseAdvertised } from '../../relay/enrolment/advertise.ts';

function at(cidr: string): NetworkInterfaceInfo {
  const [address = ''] = cidr.split('/');
  const internal = address.startsWith('127.');
  return { address, cidr, internal, family: 'IPv4', netmask: '', mac: '' };
}
const V6: NetworkInterfaceInfo = {
  ...at('10.9.9.9/64'),
  address: 'fd00::1',
  cidr: 'fd00::1/64',
  family: 'IPv6',
  scopeid: 0,
};

/** A node of a gateway: two cards, Kubernetes with flannel, docker, and the virtual address on it now. */
const NODE: AdvertiseOrder['interfaces'] = {
  lo: [at('127.0.0.1/8'), at('10.0.0.100/32')].map((one) => ({ ...one, internal: true })),
  eth0: [at('192.168.1.10/24'), V6],
  eth1: [at('10.0.0.10/24'), at('10.0.0.100/32')],
  eth2: [at('169.254.7.7/16')],
  docker0: [at('172.17.0.1/16')],
  'br-0123456789ab': [at('172.18.0.1/16')],
  cni0: [at('10.244.0.1/24')],
  'flannel.1': [at('10.244.0.0/32')],
  'kube-ipvs0': [at('10.96.0.1/32')],
};

function told(order: Partial<AdvertiseOrder> = {}): readonly string[] {
  const whole = { configured: [], listenHost: '0.0.0.0', port: 8_443, interfaces: NODE, machines: [], ...order };
  return chooseAdvertised(whole).chosen.map(({ address }) => address);
}

test('pod networks, bridges, virtual and link-local addresses are not told, and each is said with its reason', () => {
  const order = { configured: [], listenHost: '0.0.0.0', port: 8_443, interfaces: NODE, machines: [] };
  const { chosen, skipped } = chooseAdvertised(order);
  expect(chosen.map(({ address }) => address)).toEqual(['192.168.1.10:8443', '10.0.0.10:8443']);
  expect(skipped.map(({ address, why }) => `${address} ${why}`)).toEqual([
    '10.0.0.100:8443 a virtual address, which may move to another host (eth1)',
    '169.254.7.7:8443 link-local: reached from its own wire only (eth2)',
    ...['172.17.0.1:8443 of containers or virtual machines (docker0)'],
    ...['172.18.0.1:8443 of containers or virtual machines (br-0123456789ab)'],
    ...['10.244.0.1:8443 of containers or virtual machines (cni0)'],
    ...['10.244.0.0:8443 of containers or virtual machines (flannel.1)'],
    ...['10.96.0.1:8443 of containers or virtual machines (kube-ipvs0)'],
  ]);
});

test('the networks that machines live in come first, a bridge of virtual machines too if they are on it', () => {
  expect(told({ machines: ['10.0.0.77', 'fd00::7'] })).toEqual(['10.0.0.10:8443', '192.168.1.10:8443']);
  expect(told({ machines: ['172.17.0.5'] })[0]).toBe('172.17.0.1:8443');
  // The address itself proves nothing, nor does a virtual one.
  expect(told({ machines: ['10.0.0.10', '10.96.0.1'] })).toEqual(['192.168.1.10:8443', '10.0.0.10:8443']);
});

test('the settings name an address, a network or an interface, in their order, and each once', () => {
  const configured = ['relay.example:443', '10.0.0.0/24', 'interface:eth0', '192.168.1.0/24', 'interface:none'];
  expect(told({ configured })).toEqual([
    ...['relay.example:443', '10.0.0.10:8443', '10.0.0.100:8443', '192.168.1.10:8443'],
  ]);
  expect(told({ configured: ['10.7.0.0/16'] })).toEqual([]);
});

test('what is listened on alone is told alone; a host of nothing better tells what it has; at most 16', () => {
  expect(told({ listenHost: '10.0.0.10', port: 7_000 })).toEqual(['10.0.0.10:7000']);
  expect(told({ interfaces: { eth0: [at('10.1.1.1/32'), at('169.254.1.1/16')] } })).toEqual(['10.1.1.1:8443']);
  const many = Array.from({ length: 20 }, (_, index) => at(`10.0.${index}.1/24`));
  expect(told({ interfaces: { eth0: many } })).toHaveLength(16);
});

test('a setting of any other form is refused, and says which forms there are', () => {
  const read = (text: string) => readConfig(null, { SLIPWAY_ENROLMENT_ADVERTISE: text });
  expect(read('10.0.0.0/24,interface:bond0.100,relay.example:8443')).toMatchObject({
    ok: true,
    value: { enrolment: { advertise: ['10.0.0.0/24', 'interface:bond0.100', 'relay.example:8443'] } },
  });
  for (const wrong of ['eth1', 'relay.example', '10.0.0.0/33', 'fd00::/64', 'interface:', '0.0.0.0:8443', 'x:0'])
    expect(read(wrong), wrong).toMatchObject({ ok: false, error: [{ setting: 'SLIPWAY_ENROLMENT_ADVERTISE' }] });
});
