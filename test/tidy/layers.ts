// Who may import whom (README, map). The first entry whose `files` is a prefix of a path is its layer.

export type Layer = {
  readonly name: string;
  readonly files: readonly string[];
  /** Path prefixes of ours that it may import, itself included without saying. */
  readonly may: readonly string[];
  /** Packages it may import; `node:*` stands for Node's own. */
  readonly packages: readonly string[];
};

const EDGE_PACKAGES = [
  'hono',
  'zod',
  'cloudflare:workers',
  '@hpke/core',
  '@peculiar/x509',
  'reflect-metadata',
  'js-yaml',
  'ipaddr.js',
];

export const LAYERS: readonly Layer[] = [
  { name: 'shared', files: ['shared/'], may: [], packages: ['zod'] },
  { name: 'plan', files: ['functions/plan/'], may: ['shared/'], packages: ['zod', 'js-yaml', 'ipaddr.js'] },
  {
    name: 'store',
    files: ['functions/store/'],
    may: ['shared/', 'functions/env.ts'],
    packages: ['zod', 'drizzle-orm'],
  },
  {
    name: 'objects',
    files: ['functions/objects/'],
    may: [
      'shared/',
      'functions/plan/',
      'functions/store/',
      'functions/env.ts',
      'functions/make-cluster.ts',
      'functions/overlapping-networks.ts',
      'functions/tell-clusters.ts',
      'functions/tell-release.ts',
      'functions/seal-secret.ts',
      'functions/sign-command.ts',
      'functions/clock.ts',
      'functions/log.ts',
    ],
    packages: ['zod', 'cloudflare:workers'],
  },
  {
    name: 'api',
    files: ['functions/api/'],
    may: [
      'shared/',
      'functions/store/',
      'functions/objects/',
      'functions/env.ts',
      'functions/make-cluster.ts',
      'functions/overlapping-networks.ts',
      'functions/tell-clusters.ts',
      'functions/tell-release.ts',
      'functions/seal-secret.ts',
      'functions/sign-command.ts',
      'functions/clock.ts',
      'functions/log.ts',
    ],
    packages: EDGE_PACKAGES,
  },
  { name: 'worker', files: ['functions/'], may: ['shared/', 'functions/'], packages: EDGE_PACKAGES },
  {
    name: 'relay maas',
    files: ['relay/maas/'],
    may: ['shared/', 'relay/ports.ts'],
    packages: ['zod', 'undici', 'oauth-1.0a', 'ipaddr.js', 'node:*'],
  },
  {
    name: 'relay tunnel',
    files: ['relay/tunnel/'],
    may: ['shared/', 'relay/'],
    packages: ['zod', 'ws', 'undici', 'node:*'],
  },
  {
    name: 'relay',
    files: ['relay/'],
    may: ['shared/', 'relay/'],
    packages: [
      'zod',
      'ws',
      'undici',
      '@hpke/core',
      '@peculiar/x509',
      'reflect-metadata',
      '@kubernetes/client-node',
      'js-yaml',
      'ipaddr.js',
      '@inquirer/prompts',
      'node:*',
    ],
  },
  { name: 'lab', files: ['test/lab/'], may: ['shared/', 'test/lab/', 'test/support/'], packages: ['*'] },
  { name: 'test', files: ['test/', 'migrations/'], may: [''], packages: ['*'] },
];

export function layerOf(path: string): Layer | undefined {
  return LAYERS.find((layer) => layer.files.some((prefix) => path.startsWith(prefix)));
}

/** Why `from` may not import `target`; null when it may. */
export function importRefusal(from: string, target: string): string | null {
  const layer = layerOf(from);
  if (layer === undefined) return 'is in no layer: name it in test/tidy/layers.ts';
  const ours = /^(shared|functions|relay|test|migrations)\//.test(target);
  if (ours) {
    const allowed = [...layer.files, ...layer.may].some((prefix) => target.startsWith(prefix));
    return allowed ? null : `${layer.name} may not import ${target}`;
  }
  const allowed = layer.packages.some(
    (name) =>
      name === '*' ||
      target === name ||
      target.startsWith(`${name}/`) ||
      (name === 'node:*' && target.startsWith('node:')),
  );
  return allowed ? null : `${layer.name} may not import the package ${target}`;
}
