// The secrets a deployment has: made once for a state folder and kept, as `wrangler secret put` would keep them.
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const DeploySecrets = z.strictObject({
  setupSecret: z.string(),
  /** Ed25519 private key, PKCS#8, base64. */
  commandKey: z.string(),
});
export type DeploySecrets = z.infer<typeof DeploySecrets>;

export async function ensureDeploySecrets(stateDir: string): Promise<DeploySecrets> {
  const path = join(stateDir, 'deploy-secrets.json');
  if (existsSync(path)) return DeploySecrets.parse(JSON.parse(readFileSync(path, 'utf8')));
  const pair = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']);
  if (!('privateKey' in pair)) throw new Error('Ed25519 gave no key pair');
  const secrets = {
    setupSecret: randomBytes(32).toString('base64url'),
    commandKey: Buffer.from(await crypto.subtle.exportKey('pkcs8', pair.privateKey)).toString('base64'),
  };
  writeFileSync(path, JSON.stringify(secrets), { mode: 0o600 });
  return secrets;
}
