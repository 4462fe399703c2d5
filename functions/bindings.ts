// What the Worker needs from its runtime, for Miniflare (lab, demo, tests). wrangler.toml says the same for Cloudflare;
// test/bindings.test.ts holds the two together.
export const BINDINGS = {
  name: 'slipway',
  compatibilityDate: '2026-10-01',
  compatibilityFlags: ['nodejs_compat'],
  /** Path of the module to bundle, from the project's root. */
  main: 'functions/worker.ts',
  catalogue: { binding: 'CATALOGUE', databaseName: 'slipway', migrations: 'migrations' },
  objects: [
    { binding: 'CLUSTER', className: 'ClusterObject' },
    { binding: 'GATEWAY', className: 'GatewayObject' },
  ],
  /** Programs of releases, under `relay/<version>/<platform>`. */
  releases: { binding: 'RELEASES', bucketName: 'slipway-releases' },
  crons: ['*/5 * * * *'],
  settings: ['SETUP_SECRET', 'COMMAND_KEY', 'RELEASE_KEY', 'PUBLIC_ORIGIN', 'WAITS'],
} as const;
