// The installer as a temporary relay, against a console that the test plays: what it registers, what it tells the person, when
// it is done, and what it leaves behind.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDisk } from '../../relay/adapters/node-disk.ts';
import { createNodePorts } from '../../relay/adapters/node-ports.ts';
import { openGatewayKey } from '../../relay/gateway-key.ts';
import { type CallConsole, createConsoleApi } from '../../relay/install/console-api.ts';
import { standingJson, standingSummary } from '../../relay/install/install-summary.ts';
import { forgetInstalled, keepInstalled, standingOf } from '../../relay/install/installed.ts';
import { installOnMachines } from '../../relay/install/machines-install.ts';
import type { Settings } from '../../relay/install/settings.ts';
import { temporaryConfig } from '../../relay/install/temporary-config.ts';
import { inTemporaryWorld, temporaryState } from '../../relay/install/temporary-world.ts';
import { RelayNodeId } from '../../shared/ids.ts';
import type { Installation, InstallationState } from '../../shared/installation.ts';
import { AccountFacts } from '../../shared/inventory.ts';
import { apiFailure, problemOf } from '../../shared/problem.ts';
import { ok } from '../../shared/result.ts';
import { type FakeEdge, GATEWAY, SCOPE } from '../support/fake-edge.ts';
import { type InstallerStage, openInstallerStage } from './installer-stage.ts';

const TEST_MS_MAX = 30_000;
const MAAS_KEY = 'consumer:token:secret-canary-4';
const FACTS = AccountFacts.parse({
  maasVersion: '3.5',
  user: 'slipway',
  isAdmin: false,
  zones: ['az1'],
  pools: [],
  domains: [],
  images: [],
  readyMachines: 3,
  permissionsMissing: [],
});
const PLACEMENT = { zone: 'az1', flavour: 'small', nodes: 1 } as const;
const BEFORE: InstallationState = {
  refused: null,
  clusterId: null,
  phase: 'provisioning',
  waitingOn: [],
  machines: [],
};
const deploying: InstallationState = {
  ...BEFORE,
  waitingOn: ['Waiting for node-3 to be installed, 0 of at most 75 minutes.'],
  machines: [{ slot: 'gateway-0', hostname: 'node-3', phase: 'deploying', relay: null }],
};
const running = (connected: boolean): InstallationState => ({
  ...BEFORE,
  phase: 'running',
  machines: [
    {
      slot: 'gateway-0',
      hostname: 'node-3',
      phase: 'ready',
      relay: { nodeId: RelayNodeId.parse('nod_b'), state: 'active', connected },
    },
  ],
});

let stage: InstallerStage;
let edge: FakeEdge;
let folder: string;
beforeEach(async () => {
  stage = await openInstallerStage();
  ({ edge, folder } = stage);
});
afterEach(() => stage.close());

const settingsOf = (more: Partial<Settings> = {}): Settings => ({
  name: 'rack-one',
  console: edge.origin,
  pairingCode: edge.code,
  apiKey: null,
  caFile: null,
  proxy: { https: null, http: null, no: [] },
  networks: { podCidr: '10.244.0.0/16', serviceIpRange: '10.96.0.0/16' },
  maas: { endpoint: 'http://10.0.0.1:5240/MAAS', apiKey: MAAS_KEY, caPem: null },
  placement: PLACEMENT,
  enrolment: { listen: '127.0.0.1:0', advertise: [] },
  ...more,
});

async function install(settings = settingsOf()) {
  const configFile = join(folder, 'pcg.yaml');
  const loaded = await temporaryConfig(settings, temporaryState(configFile), {});
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  const ports = createNodePorts(() => {});
  const parts = { loaded: loaded.value, configFile, api: null, ports, mainFile: 'main.ts', agent: 'test' };
  return inTemporaryWorld(parts, (world) => installOnMachines({ ...settings, placement: PLACEMENT }, FACTS, world));
}

const registered = (): Installation[] =>
  edge.heard.flatMap(({ frame }) => (frame.type === 'installation' ? [frame.installation] : []));

test(
  '[I1] [I4] registers account and machines, serves until their relay is active and connected, leaves, and keeps no key',
  async () => {
    const later = { ...deploying, waitingOn: ['Waiting for node-3 to be installed, 1 of at most 75 minutes.'] };
    const said = [BEFORE, deploying, later, running(false), running(true)];
    let sealed: Uint8Array | null = null;
    edge.manners.installation = (asked) => said[asked] ?? running(true);
    const opened = edge
      .until('the first installation', () => registered().length > 0)
      .then(async () => {
        const disk = await openDisk(join(folder, 'state'));
        const key = disk.ok ? await openGatewayKey(disk.value) : disk;
        const access = registered()[0]?.account.access;
        if (!key.ok || key.value === null || access === undefined) throw new Error('no key or no account');
        const open = await key.value.open(access.sealedKey, { scope: SCOPE, gatewayId: GATEWAY });
        sealed = open.ok ? open.value : null;
      });
    const ended = await install();
    await opened;
    expect(ended).toMatchObject({
      ok: true,
      value: { gateway: { id: GATEWAY, name: 'rack-one' }, state: { phase: 'running' } },
    });
    expect(Buffer.from(sealed ?? []).toString()).toBe(MAAS_KEY);
    const [first] = registered();
    expect(first).toMatchObject({
      account: {
        name: 'rack-one',
        access: { endpoint: 'http://10.0.0.1:5240/MAAS', sealedKey: { purpose: 'maas-key', version: 1 } },
        facts: { maasVersion: '3.5' },
      },
      machines: {
        size: 1,
        minimums: { cpuCores: 4, memoryMiB: 8_192, diskGB: 60 },
        zones: ['az1'],
        podCidr: '10.244.0.0/16',
        serviceCidr: '10.96.0.0/16',
      },
    });
    expect(first?.account.access.sealedKey.recordId).toBe(first?.account.access.accountId);
    // The same each time, or the console would take each for a change.
    expect(new Set(registered().map((one) => JSON.stringify(one))).size).toBe(1);
    expect(edge.heard.filter(({ frame }) => frame.type === 'node-leave')).toHaveLength(1);
    const lines = stage
      .printed()
      .split('\n')
      .map((line) => line.replace(/^ *\d+\.\d s {2}/, ''));
    expect(lines.filter((line) => /^(gateway|machine|Waiting)/.test(line))).toEqual([
      'gateway: provisioning',
      'machine gateway-0 (node-3): deploying',
      'Waiting for node-3 to be installed, at most 75 minutes.',
      'gateway: running',
      'machine gateway-0 (node-3): ready',
      'machine gateway-0 (node-3): its relay is away, active',
      'machine gateway-0 (node-3): its relay is connected, active',
    ]);
    expect(existsSync(join(folder, 'state'))).toBe(false);
    expect(readFileSync(join(folder, 'relay.log'), 'utf8')).toContain('"event":"relay-started"');
    expect(`${stage.printed()}${readFileSync(join(folder, 'relay.log'), 'utf8')}`).not.toContain('canary');
  },
  TEST_MS_MAX,
);

test(
  '[I1] [I2] failed machines end it with their reason; run again it is the same node and says the same account; another key is a change',
  async () => {
    const failure = { code: 'MACHINES_REFUSED', message: 'Three machines failed to deploy.' };
    edge.manners.installation = () => ({ ...deploying, phase: 'failed', failure });
    expect(await install()).toMatchObject({
      ok: false,
      error: { code: 'MACHINES_FAILED', detail: 'Three machines failed to deploy. (MACHINES_REFUSED)' },
    });
    expect(edge.heard.map(({ frame }) => frame.type)).not.toContain('node-leave');
    const refused = { code: 'ACCOUNT_NAME_TAKEN', detail: 'There is one already.' };
    edge.manners.installation = () => ({ ...BEFORE, refused });
    // The code is used up by now; nothing is paired anew.
    expect(await install()).toMatchObject({ ok: false, error: { code: 'ACCOUNT_NAME_TAKEN', where: 'cloud account' } });
    expect(edge.pairings()).toBe(1);
    const [first, second] = registered();
    expect(second?.account.access).toEqual(first?.account.access);
    const { maas } = settingsOf();
    expect(await install(settingsOf({ maas: { ...maas, apiKey: 'another:maas:key' } }))).toMatchObject({ ok: false });
    const third = registered().at(-1)?.account.access;
    expect([third?.accountId, third?.sealedKey.version]).toEqual([first?.account.access.accountId, 2]);
    expect(existsSync(join(folder, 'state', 'identity.json'))).toBe(true);
  },
  TEST_MS_MAX,
);

test(
  'interrupted it ends at a safe point and keeps its folder; a node that was removed meanwhile is told apart',
  async () => {
    edge.manners.installation = () => deploying;
    const ended = install();
    await edge.until('an installation', () => registered().length > 0);
    process.emit('SIGINT', 'SIGINT');
    expect(await ended).toEqual({ ok: true, value: 'interrupted' });
    expect(existsSync(join(folder, 'state', 'identity.json'))).toBe(true);
    edge.manners.installation = () => {
      edge.closeAll(4003);
      return deploying;
    };
    expect(await install()).toMatchObject({ ok: false, error: { code: 'NODE_REMOVED' } });
  },
  TEST_MS_MAX,
);

/** A console that answers one look at a gateway. */
function consoleThatSays(status: number, body: unknown, calls: string[] = []) {
  const call: CallConsole = async ({ method, url }) => {
    calls.push(`${method} ${new URL(url).pathname}`);
    return ok({ status, body });
  };
  return createConsoleApi(edge.origin, 'slw_x', call);
}

test('once done it says what stands, by the console with an API key, else as it was; another’s gateway is none of its own', async () => {
  const configFile = join(folder, 'pcg.yaml');
  const settings = settingsOf();
  const standing = (more: Partial<Settings> = {}, api: ReturnType<typeof consoleThatSays> | null = null) =>
    standingOf(configFile, settingsOf(more), api);
  expect(await standing()).toEqual({ ok: true, value: null });
  const gateway = { id: GATEWAY, name: 'rack-one' };
  const { machines } = running(true);
  await keepInstalled(configFile, settings, { gateway, state: running(true) }, 1_800_000_000_000);
  expect(readFileSync(join(folder, 'installed.json'), 'utf8')).not.toContain(edge.code);

  const then = await standing();
  expect(then).toMatchObject({ ok: true, value: { gateway, phase: 'running', machines, isNow: false } });
  if (!then.ok || then.value === null) throw new Error('nothing stands');
  expect(JSON.parse(standingJson(then.value))).toEqual({ gateway, phase: 'running', machines, already: true });
  expect(standingSummary(then.value, 3)).toContain('node-3, ready, relay nod_b\npcg.yaml names 3; PATCH');
  // A new code is for another gateway; so is another name or console.
  for (const other of [{ pairingCode: `${edge.code}x` }, { name: 'rack-two' }, { console: 'https://other.test' }])
    expect(await standing(other)).toEqual({ ok: true, value: null });

  const shown = {
    ...gateway,
    phase: 'connected',
    machines: {
      phase: 'updating',
      waitingOn: [],
      machines: [{ ...machines[0], systemId: 'abc123', relay: undefined }],
    },
    nodes: [{ nodeId: 'nod_b', state: 'active', connected: false }],
  };
  const calls: string[] = [];
  const now = await standing({ pairingCode: null }, consoleThatSays(200, shown, calls));
  expect(calls).toEqual([`GET /v1/gateways/${GATEWAY}`]);
  const relay = { nodeId: 'nod_b', state: 'active', connected: false };
  expect(now).toMatchObject({ ok: true, value: { phase: 'updating', machines: [{ relay }], isNow: true } });
  const gone = problemOf(apiFailure('NOT_FOUND'), 'req_1');
  expect(await standing({}, consoleThatSays(404, gone))).toEqual({ ok: true, value: null });
  const refused = problemOf(apiFailure('FORBIDDEN'), 'req_1');
  expect(await standing({}, consoleThatSays(403, refused))).toMatchObject({ error: { code: 'API_KEY_REFUSED' } });
  const ending = { ...shown, phase: 'deleting' };
  expect(await standing({}, consoleThatSays(200, ending))).toMatchObject({ error: { code: 'GATEWAY_NAME_TAKEN' } });
  await forgetInstalled(configFile);
  expect(await standing()).toEqual({ ok: true, value: null });
});
