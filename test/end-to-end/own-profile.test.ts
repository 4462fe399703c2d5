// What a profile and a pool add to a machine arrives on the machine: files, commands before and after kubeadm, kubelet arguments,
// versions, and an image that has Kubernetes inside. The test itself is the machine, over the metadata service and the relay.
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import { ClusterProfile } from '../../shared/cluster-profile.ts';
import type { FilledDocument } from '../../shared/enrolment.ts';
import { relayClient } from '../lab/machines/relay-client.ts';
import { readUserData } from '../lab/machines/user-data.ts';
import { fetchMetadata } from '../lab/metadata-client.ts';
import { until } from '../support/until.ts';
import { openScene, POOLS, type Scene, tempStateDir } from './scene.ts';

/** A host that only writes down what it was given. */
const PROGRAM = `#!/bin/sh
case $1 in
  on) env >"$SLIPWAY_TEST_FOLDER/$2.env" && mv "$SLIPWAY_TEST_FOLDER/$2.env" "$SLIPWAY_TEST_FOLDER/$2" ;;
  status) echo off ;;
esac
`;
const Environment = z.object({
  SLIPWAY_ADDRESS: z.string(),
  SLIPWAY_METADATA_URL: z.string(),
  SLIPWAY_METADATA_CONSUMER_KEY: z.string(),
  SLIPWAY_METADATA_TOKEN_KEY: z.string(),
  SLIPWAY_METADATA_TOKEN_SECRET: z.string(),
});

let scene: Scene;
const folder = tempStateDir();
beforeAll(async () => {
  const program = join(folder, 'power');
  writeFileSync(program, PROGRAM);
  chmodSync(program, 0o755);
  process.env.SLIPWAY_TEST_FOLDER = folder;
  scene = await openScene({ machines: 1, driver: `exec:${program}` });
});
afterAll(async () => {
  await scene.close();
  delete process.env.SLIPWAY_TEST_FOLDER;
  rmSync(folder, { recursive: true, force: true });
});

test('files, commands, arguments, versions and image of a profile and its pool reach the machine', async () => {
  const profile = await scene.api.raw(ClusterProfile, 'POST', '/cluster-profiles', ownProfile());
  const cluster = await scene.create('own', {
    profileId: profile.profileId,
    pools: POOLS(1, 0).map((pool) => ({
      ...pool,
      files: [{ path: '/etc/pool.conf', content: 'of the pool {{not a slot}}\n' }],
      hooks: { preKubeadm: ['echo pool-before'], postKubeadm: ["echo 'pool after'"] },
      kubelet: { extraArgs: [{ name: 'max-pods', value: '77' }] },
    })),
  });
  const document = await actAsMachine('m00000');
  const deploy = scene.lab.history.find(({ operation }) => operation === 'machine.deploy');
  expect(deploy?.parameters).toMatchObject({ distro_series: ['custom/k8s-node'] });

  const content = (path: string): string | undefined => document.files.find((file) => file.path === path)?.content;
  expect(content('/etc/profile.conf')).toBe('of the profile\n');
  expect(document.files.find(({ path }) => path === '/etc/profile.conf')?.mode).toBe('0600');
  expect(content('/etc/cni/net.d/10-own.conflist')).toBe('{"name":"own"}');
  const names = document.steps.map(({ name }) => name);
  const init = names.indexOf('kubeadm-init');
  expect(names.slice(0, init).filter((name) => name.startsWith('pre-'))).toEqual(['pre-kubeadm-1', 'pre-kubeadm-2']);
  expect(names.slice(init).filter((name) => name.startsWith('post-'))).toEqual(['post-kubeadm-1', 'post-kubeadm-2']);
  const hooks = document.files.filter(({ path }) => path.includes('/hooks/')).map((file) => file.content.trim());
  for (const wanted of ['echo profile-before', 'echo pool-before', 'echo profile-after', "echo 'pool after'"])
    expect(hooks.some((hook) => hook.includes(wanted))).toBe(true);

  const config = document.files.find(({ path }) => path.endsWith('/kubeadm.yaml'))?.content ?? '';
  expect(config).toContain('kubernetesVersion: v1.35.4');
  expect(config).toContain('imageRepository: registry.example/kubernetes');
  for (const argument of ['max-pods', 'v']) expect(config).toMatch(new RegExp(`name: ['"]?${argument}['"]?\\n`));
  const manifests = document.files.map((file) => file.content).join('\n');
  expect(manifests).toContain('registry.example/kube-vip:v9');
  // Nothing is downloaded: the image has it all.
  expect(document.steps.find(({ name }) => name === 'install-kubernetes')?.script).not.toMatch(/apt-get|curl/);
  // No placeholder of ours is left, and a user's own braces are not one.
  expect(manifests).not.toMatch(/\{\{(secret|fact):/);
  expect(cluster.kubernetesVersion).toBe('v1.35.4');
  await scene.remove(cluster.id);
  expect(scene.held()).toBe(0);
});

function ownProfile(): Record<string, unknown> {
  const { profileId: _, layers, ...rest } = BUILTIN_PROFILE;
  return {
    ...rest,
    name: 'own',
    layers: layers.map((layer) => {
      if (layer.kind === 'os') return { ...layer, image: 'custom/k8s-node' };
      if (layer.kind === 'cni')
        return { ...layer, files: [{ path: '/etc/cni/net.d/10-own.conflist', content: '{"name":"own"}' }] };
      if (layer.kind !== 'kubernetes') return layer;
      return {
        ...layer,
        version: 'v1.35.4',
        packageRepository: null,
        imageRepository: 'registry.example/kubernetes',
        kubeVipImage: 'registry.example/kube-vip:v9',
        kubeletExtraArgs: [{ name: 'v', value: '4' }],
        files: [{ path: '/etc/profile.conf', mode: '0600', content: 'of the profile\n' }],
        preKubeadm: ['echo profile-before'],
        postKubeadm: ['echo profile-after'],
      };
    }),
  };
}

/** From the power button to the document in hand. */
async function actAsMachine(systemId: string): Promise<FilledDocument> {
  const told = join(folder, systemId);
  await until(30_000, 'the machine to be switched on', () => existsSync(told));
  const lines = readFileSync(told, 'utf8').split('\n');
  const given = Environment.parse(
    Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])),
  );
  const userData = await fetchMetadata(
    {
      metadataUrl: given.SLIPWAY_METADATA_URL,
      metadataOauth: {
        consumerKey: given.SLIPWAY_METADATA_CONSUMER_KEY,
        tokenKey: given.SLIPWAY_METADATA_TOKEN_KEY,
        tokenSecret: given.SLIPWAY_METADATA_TOKEN_SECRET,
      },
    },
    '2012-03-01/user-data',
  );
  if (!userData.ok) throw new Error(userData.error.detail);
  const enrolment = readUserData(userData.value);
  if (!enrolment.ok) throw new Error(enrolment.error);
  const relay = relayClient(enrolment.value, given.SLIPWAY_ADDRESS, AbortSignal.timeout(60_000));
  await relay.enrol(given.SLIPWAY_ADDRESS);
  return until(30_000, 'its turn', async () => {
    const turn = await relay.turn();
    return turn.kind === 'document' ? turn.document : null;
  });
}
