// One frame of each type, as this version sends it. `Record` makes the compiler ask for the next one.

import { Claim } from '../../shared/claim.ts';
import { ClusterId } from '../../shared/ids.ts';
import { type EdgeFrame, PROTOCOL_VERSION, type RelayFrame } from '../../shared/tunnel-frame.ts';
import { ACCOUNT, aCommand, aRelease, GATEWAY_ID } from '../storage/command-samples.ts';
import { GATEWAY_KEY_SAMPLE, NODE_SAMPLE } from './golden-names.ts';

type ByType<F extends { type: string }> = { [T in F['type']]: Extract<F, { type: T }> };

const v = PROTOCOL_VERSION;
const identity = aCommand();
const release = aRelease('cp-0');
const claim = Claim.parse(`slipway/${GATEWAY_ID}/clu_test/gateway-0/1`);
const clusterId = ClusterId.parse('clu_test');
const payload = JSON.stringify({
  ...{ gatewayId: GATEWAY_ID, nodeId: NODE_SAMPLE, sessionId: 'ses_1', seq: 0, at: 1_800_000_000_000 },
  commands: [identity, release],
});
const accountFacts = {
  ...{ maasVersion: '3.7.0', user: 'slipway', isAdmin: false, zones: ['az1'], pools: ['default'] },
  ...{ domains: ['maas'], images: ['ubuntu/noble'], readyMachines: 3, permissionsMissing: [] },
};

export const EDGE_FRAMES: ByType<EdgeFrame> = {
  challenge: { v, type: 'challenge', nonce: 'n'.repeat(43), origin: 'https://slipway.test' },
  welcome: {
    ...{ v, type: 'welcome', sessionId: 'ses_1', redialSpreadMs: 4_000, at: 1_800_000_000_000 },
    outstanding: [identity.commandId],
  },
  deliver: { v, type: 'deliver', payload, signature: 's'.repeat(86) },
  'report-ack': { v, type: 'report-ack', commandIds: [identity.commandId] },
  'observation-ack': { v, type: 'observation-ack', seq: 7 },
  lease: {
    ...{ v, type: 'lease', epoch: 3, durationMs: 12_000 },
    guards: [{ clusterId: 'clu_test', subject: 'cp-0', waitMs: 50_000 }],
  },
  'lease-refused': { v, type: 'lease-refused', retryAfterMs: 10_000 },
  withdraw: { v, type: 'withdraw', commandIds: [release.commandId] },
  standing: { v, type: 'standing', state: 'active', leader: true, peers: ['192.0.2.10:7443'] },
  'pairing-code-ack': { v, type: 'pairing-code-ack', codeHash: 'c'.repeat(43) },
  'installation-state': {
    ...{ v, type: 'installation-state' },
    state: {
      ...{ refused: null, clusterId, phase: 'provisioning', failure: null, waitingOn: ['Waiting for MAAS.'] },
      machines: [{ slot: 'gateway-0', hostname: 'node-1', phase: 'deploying', relay: null }],
    },
  },
};

export const RELAY_FRAMES: ByType<RelayFrame> = {
  hello: {
    ...{ v, type: 'hello', gatewayId: GATEWAY_ID, nodeId: NODE_SAMPLE, bootId: 'boot-1', joinCounter: 4 },
    ...{ relayVersion: '0.1.0', signature: 's'.repeat(86) },
  },
  receipt: { v, type: 'receipt', commandIds: [identity.commandId] },
  report: {
    ...{ v, type: 'report', commandId: release.commandId, epoch: 3 },
    outcome: { ok: true, value: { verb: 'ensure-released', machines: [] } },
  },
  observations: {
    ...{ v, type: 'observations', seq: 7 },
    observations: [
      { clusterId, at: 1_800_000_000_000, fact: { kind: 'api-server', ready: true, detail: '' } },
      { clusterId, at: 1_800_000_000_000, fact: { kind: 'maas', failure: null } },
    ],
  },
  'lease-request': { v, type: 'lease-request', epoch: null },
  'lease-release': { v, type: 'lease-release', epoch: 3 },
  'node-status': {
    ...{
      v,
      type: 'node-status',
      sealingKey: GATEWAY_KEY_SAMPLE,
      addresses: ['192.0.2.10:7443'],
      at: 1_800_000_000_000,
    },
  },
  'pairing-code': { v, type: 'pairing-code', codeHash: 'c'.repeat(43), claim },
  installation: {
    ...{ v, type: 'installation' },
    installation: {
      account: { name: 'maas', access: ACCOUNT, facts: accountFacts },
      machines: {
        ...{ size: 1, zones: [], podCidr: '10.1.0.0/16', serviceCidr: '10.2.0.0/16' },
        minimums: { cpuCores: 4, memoryMiB: 8_192, diskGB: 60 },
      },
    },
  },
  'node-leave': { v, type: 'node-leave' },
};
