// `uninstall` against a console that the test plays: it asks before it begins, serves until it is ended, and says so.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createNodePorts } from '../../relay/adapters/node-ports.ts';
import { type CallConsole, createConsoleApi } from '../../relay/install/console-api.ts';
import type { Settings } from '../../relay/install/settings.ts';
import { temporaryConfig } from '../../relay/install/temporary-config.ts';
import { inTemporaryWorld, temporaryState } from '../../relay/install/temporary-world.ts';
import { uninstallGateway } from '../../relay/install/uninstall-gateway.ts';
import { apiFailure, problemOf } from '../../shared/problem.ts';
import { err, ok } from '../../shared/result.ts';
import { type FakeEdge, GATEWAY } from '../support/fake-edge.ts';
import { until } from '../support/until.ts';
import { type InstallerStage, openInstallerStage } from './installer-stage.ts';

const TEST_MS_MAX = 30_000;
const MACHINES = {
  phase: 'deleting',
  waitingOn: [{ sentence: 'Waiting for node-3 to be Ready again.' }],
  machines: [{ slot: 'gateway-0', hostname: 'node-3', systemId: 'abc123', phase: 'releasing' }],
};

let stage: InstallerStage;
let edge: FakeEdge;
let folder: string;
beforeEach(async () => {
  stage = await openInstallerStage();
  ({ edge, folder } = stage);
});
afterEach(() => stage.close());

/** The console's API: the gateway is there until `ended`. */
function consoleOf(calls: string[], manner: { refuses: boolean; looks: number; ended: () => boolean }): CallConsole {
  const problem = (code: 'NOT_FOUND' | 'GATEWAY_HAS_CLUSTERS', more: Record<string, unknown> = {}) => {
    const body = problemOf(apiFailure(code, undefined, more), 'req_1');
    return ok({ status: body.status, body });
  };
  return async ({ method, url }) => {
    const path = new URL(url).pathname;
    calls.push(`${method} ${path}`);
    const gateway = { id: GATEWAY, name: 'rack-one', phase: 'deleting', machines: MACHINES };
    if (method === 'POST') return ok({ status: 200, body: { pairingCode: edge.code } });
    if (method === 'DELETE' && manner.refuses)
      return problem('GATEWAY_HAS_CLUSTERS', { clusters: [{ id: 'clu_9', name: 'shop' }] });
    if (method === 'DELETE') return ok({ status: 202, body: gateway });
    if (path === '/v1/gateways') return ok({ status: 200, body: { items: [gateway], nextCursor: null } });
    if (path !== `/v1/gateways/${GATEWAY}`) return err({ detail: `unexpected ${path}` });
    manner.looks += 1;
    return manner.ended() ? problem('NOT_FOUND') : ok({ status: 200, body: gateway });
  };
}

async function uninstall(call: CallConsole | null, pairingCode: string | null = null) {
  const settings: Settings = {
    name: 'rack-one',
    console: edge.origin,
    pairingCode,
    apiKey: null,
    caFile: null,
    proxy: { https: null, http: null, no: [] },
    networks: { podCidr: '10.244.0.0/16', serviceIpRange: '10.96.0.0/16' },
    maas: { endpoint: 'http://10.0.0.1:5240/MAAS', apiKey: 'a:b:c', caPem: null },
    placement: null,
    enrolment: { listen: '127.0.0.1:0', advertise: [] },
  };
  const configFile = join(folder, 'pcg.yaml');
  const loaded = await temporaryConfig(settings, temporaryState(configFile), {});
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  const api = call === null ? null : createConsoleApi(edge.origin, 'slw_x', call);
  const parts = { loaded: loaded.value, configFile, api, ports: createNodePorts(() => {}), mainFile: 'm', agent: 't' };
  return inTemporaryWorld(parts, (world) => uninstallGateway(settings, world));
}

test(
  'with an API key: asked for, paired by a code of its own, served until the console forgets it, and nothing is kept',
  async () => {
    const calls: string[] = [];
    let over = false;
    const manner = { refuses: false, looks: 0, ended: () => over };
    const ended = uninstall(consoleOf(calls, manner));
    await edge.until('a session', () => edge.sessions() === 1);
    await until(TEST_MS_MAX, 'a look at how far it is', () => stage.printed().includes('releasing'));
    over = true;
    edge.closeAll(4003);
    expect(await ended).toMatchObject({
      ok: true,
      value: { gateway: { id: GATEWAY, name: 'rack-one' }, machines: [{ hostname: 'node-3', systemId: 'abc123' }] },
    });
    expect(calls.slice(0, 3)).toEqual([
      'GET /v1/gateways',
      `DELETE /v1/gateways/${GATEWAY}`,
      `POST /v1/gateways/${GATEWAY}/pairing-code`,
    ]);
    expect(stage.printed()).toContain('machine gateway-0 (node-3): releasing');
    expect(stage.printed()).toContain('Waiting for node-3 to be Ready again.');
    expect(existsSync(join(folder, 'state'))).toBe(false);
  },
  TEST_MS_MAX,
);

test(
  'ended before it was seen to be active, it asks the console: the gateway is gone, so all is well',
  async () => {
    const ended = uninstall(consoleOf([], { refuses: false, looks: 0, ended: () => true }));
    await edge.until('a session', () => edge.sessions() === 1);
    edge.closeAll(4003);
    expect(await ended).toMatchObject({ ok: true, value: { gateway: { id: GATEWAY, name: 'rack-one' } } });
  },
  TEST_MS_MAX,
);

test('refused while it has clusters, by their names, before anything is begun', async () => {
  const calls: string[] = [];
  const refused = await uninstall(consoleOf(calls, { refuses: true, looks: 0, ended: () => false }));
  expect(refused).toMatchObject({
    ok: false,
    error: { code: 'GATEWAY_HAS_CLUSTERS', detail: expect.stringContaining('shop (clu_9)') },
  });
  expect([calls.length, edge.pairings(), edge.sessions()]).toEqual([2, 0, 0]);
});

test(
  'without an API key the person asks for it in the console, and is told so',
  async () => {
    const ended = uninstall(null, edge.code);
    await edge.until('a session', () => edge.sessions() === 1);
    await until(TEST_MS_MAX, 'its word', () => stage.printed().includes('now delete gateway rack-one in the console'));
    edge.closeAll(4003);
    expect(await ended).toMatchObject({ ok: true, value: { gateway: { name: 'rack-one' } } });
  },
  TEST_MS_MAX,
);
