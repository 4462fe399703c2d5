// What the tests' Worker has: the bindings of wrangler.toml, and what test/vitest.config.ts adds.
declare namespace Cloudflare {
  interface Env {
    readonly CATALOGUE: D1Database;
    readonly CLUSTER: DurableObjectNamespace;
    readonly GATEWAY: DurableObjectNamespace;
    readonly RELEASES: R2Bucket;
    readonly SETUP_SECRET: string;
    readonly COMMAND_KEY: string;
    readonly RELEASE_KEY: string;
    /** Signs releases in tests: PKCS#8, base64. */
    readonly TEST_RELEASE_SIGNER: string;
    readonly PUBLIC_ORIGIN: string;
    readonly WAITS: string;
    readonly TEST_MIGRATIONS: import('cloudflare:test').D1Migration[];
  }
  interface GlobalProps {
    mainModule: typeof import('../../functions/worker.ts');
  }
}
