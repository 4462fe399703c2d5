// A gateway on a host is upgraded by the real programs: to a release that is good, while a cluster is created, and then to three
// that are not. What stands on it is undisturbed, and each time somebody can make a cluster afterwards.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { GatewayView } from '../../shared/gateway-view.ts';
import type { GatewayUpgradeView } from '../../shared/release.ts';
import { programOf, programWith } from '../relay-upgrade/release-bench.ts';
import { publishRelease } from '../support/publish-release.ts';
import { until } from '../support/until.ts';
import { openScene, POOLS, type Scene } from './scene.ts';
import { undisturbed } from './undisturbed.ts';

const UPGRADE_MS_MAX = 120_000;
const SMALL = { pools: POOLS(1, 0) };
/** A loaded machine takes seconds to start a process, and to dial. */
const WAITS = { heartbeatMs: 5_000, trialMs: 20_000 };

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ machines: 8 });
  await scene.relay().stop();
  scene.startRelay({ SLIPWAY_UPGRADE_WAITS: JSON.stringify(WAITS) });
});
afterAll(() => scene.close());

const gateway = (): Promise<GatewayView> => scene.api.gateway(scene.gateway.id);
const lines = async (): Promise<string[]> => {
  const { items } = await scene.api.gatewayTimeline(scene.gateway.id);
  return items.map(({ message }) => message);
};

/** Published, offered, and asked for. */
async function upgradeTo(version: string, program: Buffer, stored = program): Promise<void> {
  const about = { version, severity: 'high' as const, changes: [`It is ${version}.`], machines: null };
  await publishRelease(scene.controlPlane, about, { javascript: program });
  await scene.controlPlane.putProgram(version, 'javascript', stored);
  await until(60_000, `${version} to be offered`, async () => {
    const { phase, availableUpgrade } = await gateway();
    return phase === 'connected' && availableUpgrade?.to === version ? true : null;
  });
  const asked = await scene.api.upgradeGateway(scene.gateway.id, { version });
  expect(asked.upgrade).toMatchObject({ stage: 'relays', to: version });
}

function upgradeEnds(): Promise<GatewayUpgradeView> {
  return until(UPGRADE_MS_MAX, 'the upgrade to end', async () => {
    const { upgrade } = await gateway();
    return upgrade?.endedAt == null ? null : upgrade;
  }).catch(async (error: unknown) => {
    const shown = [JSON.stringify(await gateway(), null, 1), ...(await lines()), ...scene.log.slice(-60)].join('\n  ');
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n  ${shown}`);
  });
}

test('[U5] [U6] [UP3] upgraded now: a cluster that runs is undisturbed, those that are created meanwhile stand in line and then run', async () => {
  const stands = await scene.create('stands', SMALL);
  await scene.reach(stands.id, 'running');
  const before = await undisturbed(scene.api, scene, stands.id);

  await upgradeTo('0.2.0', programOf('0.2.0'));
  const [one, two] = [await scene.create('one', SMALL), await scene.create('two', SMALL)];
  expect(await scene.waitingFor(one.id, 'gateway-upgrading')).toMatchObject({
    sentence: 'Waiting for the upgrade of its gateway to end; it is the first in line.',
  });
  expect((await scene.waitingFor(two.id, 'gateway-upgrading')).sentence).toContain('1 cluster is ahead of it.');
  expect([(await scene.api.cluster(one.id)).phase, (await gateway()).queuedClusters]).toEqual(['queued', 2]);
  expect(await upgradeEnds()).toMatchObject({ stage: 'done', from: '0.1.0', to: '0.2.0', failure: null });

  expect(await gateway()).toMatchObject({ version: '0.2.0', availableUpgrade: null });
  for (const { id } of [one, two]) await scene.reach(id, 'running');
  expect(await undisturbed(scene.api, scene, stands.id)).toEqual(before);
  expect(await lines()).toEqual(
    expect.arrayContaining([
      'Release 0.2.0 is available (severity high): It is 0.2.0.',
      'The gateway runs 0.2.0.',
      '2 clusters that waited begin, first in, first out.',
    ]),
  );
  for (const { id } of [one, two]) await scene.remove(id);
});

const SILENT = `const send = process.send.bind(process); process.send = (said, ...more) => said.kind === 'heartbeat' || send(said, ...more);`;

test.each<[string, string, () => Buffer]>([
  ['never connects', '0.3.0', () => Buffer.from('setInterval(() => {}, 1_000);')],
  ['connects, and then has no heartbeat', '0.4.0', () => programWith('0.4.0', SILENT)],
])('[U4] [UP4] a program that %s: the former serves again, and who waited begins', async (_what, version, program) => {
  await upgradeTo(version, program());
  const waits = await scene.create(`waits-${version.replaceAll('.', '-')}`, SMALL);
  await scene.waitingFor(waits.id, 'gateway-upgrading');
  expect(await upgradeEnds()).toMatchObject({ stage: 'failed', failure: { code: 'RELEASE_ROLLED_BACK' } });
  await scene.reach(waits.id, 'running');
  expect(await gateway()).toMatchObject({ phase: 'connected', version: '0.2.0', availableUpgrade: { to: version } });
  expect((await lines()).join('\n')).not.toContain(` runs ${version}.`);
  await scene.remove(waits.id);
});

test('[U1] [UP4] an altered program is not run', async () => {
  const marker = join(scene.stateDir, 'was-run');
  const altered = `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(marker)}, '');`;
  await upgradeTo('0.5.0', programOf('0.5.0'), programWith('0.5.0', altered));
  expect(await upgradeEnds()).toMatchObject({ stage: 'failed', failure: { code: 'RELEASE_UNTRUSTED' } });
  expect(existsSync(marker)).toBe(false);
  const after = await scene.create('after', SMALL);
  await scene.reach(after.id, 'running');
  expect((await gateway()).version).toBe('0.2.0');
});
