// The secrets a deployment has: made once for a state folder and kept, as `wrangler secret put` would keep them.
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const DeploySecrets = z.strictObject({
  setupSecret: z.string(),
  /** Ed25519 private key, PKCS#8, base64. */
  commandKey: z.string(),
  /** Ed25519 private key that signs releases, PKCS#8, base64. A real one is kept offline. */
  releaseSigner: z.string(),
  /** Its public half, raw, base64url. */
  releaseKey: z.string(),
});
export type DeploySecrets = z.infer<typeof DeploySecrets>;

export async function ensureDeploySecrets(stateDir: string): Promise<DeploySecrets> {
  const path = join(stateDir, 'deploy-secrets.json');
  if (existsSync(path)) return DeploySecrets.parse(JSON.parse(readFileSync(path, 'utf8')));
  const [command, release] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')];
  const secrets = {
    setupSecret: randomBytes(32).toString('base64url'),
    commandKey: privateText(command.privateKey),
    releaseSigner: privateText(release.privateKey),
    releaseKey: z.string().parse(release.publicKey.export({ format: 'jwk' }).x),
  };
  writeFileSync(path, JSON.stringify(secrets), { mode: 0o600 });
  return secrets;
}

const privateText = (key: KeyObject): string => key.export({ format: 'der', type: 'pkcs8' }).toString('base64');
