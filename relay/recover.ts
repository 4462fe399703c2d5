// `recover`: every node of a gateway is lost, its recovery key is not. Opens the bundle that the console kept and puts the
// gateway's key into a folder that is not paired yet: the node that pairs from there holds it from the start (N1, N9).
import { createPrivateKey } from 'node:crypto';
import { RecoveryBundle, recoveryContext } from '../shared/recovery.ts';
import { err, ok, type Result } from '../shared/result.ts';
import { parseOwnFile } from './enrolment/own-file.ts';
import { type GatewayKey, openGatewayKey, parseGatewayKey, replaceGatewayKey } from './gateway-key.ts';
import { openerOf, SealingJwk } from './hpke.ts';
import { readIdentity } from './identity.ts';
import { fingerprintOf, type PairFailure } from './pair.ts';
import type { Disk } from './ports.ts';

export type Recovered = {
  readonly bundle: RecoveryBundle;
  /** The public half of the key that was in it. */
  readonly sealingKey: string;
  /** The folder had it before. */
  readonly already: boolean;
};

const OTHER_FOLDER = 'Give a folder of its own: set SLIPWAY_STATE_DIR to one that is empty.';
const NEW_BUNDLE = 'Take the bundle as GET /v1/gateways/{id}/recovery-bundle answers it.';

/**
 * @param bundle the text of the bundle's file @param pem the recovery key's private half, PKCS#8
 * May be repeated: a folder that has this key stays as it is. One that has another, or an identity, is never written.
 */
export async function recover(bundle: string, pem: string, disk: Disk): Promise<Result<Recovered, PairFailure>> {
  const held = await unpaired(disk);
  if (!held.ok) return held;
  const parsed = parseOwnFile(RecoveryBundle, Buffer.from(bundle));
  if (parsed === null) return refused('That file is no recovery bundle.', NEW_BUNDLE);
  const key = privateKeyOf(pem);
  if (key === null)
    return refused('The key file holds no X25519 private key.', 'Give the PEM file that openssl genpkey wrote.');
  if (key.x !== parsed.recoveryKey) {
    const [wanted, given] = [await fingerprintOf(parsed.recoveryKey), await fingerprintOf(key.x)];
    const todo = 'Give the private half of the key that the gateway was created with.';
    return refused(`The bundle is sealed to the recovery key ${wanted}; the key given is ${given}.`, todo);
  }
  const opened = await (await openerOf(key))(parsed, recoveryContext(parsed));
  if (!opened.ok) {
    const { gatewayId, keyVersion } = parsed;
    return refused(`It does not open as the key of gateway ${gatewayId}, version ${keyVersion}: altered.`, NEW_BUNDLE);
  }
  return keep(opened.value, parsed, held.value, disk);
}

/** What an unpaired folder holds. */
async function unpaired(disk: Disk): Promise<Result<GatewayKey | null, PairFailure>> {
  const identity = await readIdentity(disk);
  if (!identity.ok) return refused(identity.error.detail, OTHER_FOLDER);
  if (identity.value !== null)
    return refused(`This folder is paired already, as gateway ${identity.value.gatewayName}.`, OTHER_FOLDER);
  const held = await openGatewayKey(disk);
  return held.ok ? held : refused(held.error.detail, OTHER_FOLDER);
}

async function keep(
  file: Uint8Array,
  bundle: RecoveryBundle,
  held: GatewayKey | null,
  disk: Disk,
): Promise<Result<Recovered, PairFailure>> {
  const key = await parseGatewayKey(file);
  if (key === null) return refused('What is in the bundle is no gateway’s key.', NEW_BUNDLE);
  const { sealingKey } = key;
  if (held !== null) {
    if (held.sealingKey === sealingKey) return ok({ bundle, sealingKey, already: true });
    return refused('This folder holds the key of a gateway already, and not this one.', OTHER_FOLDER);
  }
  const written = await replaceGatewayKey(disk, file, null);
  if (!written.ok) return refused(`The state folder can't be written: ${written.error.detail}`, OTHER_FOLDER);
  return ok({ bundle, sealingKey, already: false });
}

function privateKeyOf(pem: string): SealingJwk | null {
  try {
    const key = SealingJwk.safeParse(createPrivateKey(pem).export({ format: 'jwk' }));
    return key.success ? key.data : null;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return null;
    throw error;
  }
}

const refused = (message: string, todo: string): Result<never, PairFailure> => err({ message, todo });
