// kubeadm's token for one join: minted when a machine fetches its document, so that a deploy of 90 minutes still joins and a
// stolen document is of no use ten minutes later (architecture ruling 13.7).
import { ok } from '../../shared/result.ts';
import type { KubernetesApi, KubernetesCall } from '../kubernetes/kubernetes-api.ts';
import type { Random } from '../ports.ts';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const ID_LENGTH = 6;
const SECRET_LENGTH = 16;

/** `id.secret`, known to the cluster from now on for `lifeMs`. Each call makes another. */
export async function mintJoinToken(
  api: Pick<KubernetesApi, 'createJoinToken'>,
  random: Random,
  lifeMs: number,
): KubernetesCall<string> {
  const id = randomText(random, ID_LENGTH);
  const secret = randomText(random, SECRET_LENGTH);
  const created = await api.createJoinToken({ id, secret, lifeMs });
  return created.ok ? ok(`${id}.${secret}`) : created;
}

/** Every character equally likely: a byte beyond the last whole round of the alphabet is drawn again. */
function randomText(random: Random, length: number): string {
  const whole = 256 - (256 % ALPHABET.length);
  let text = '';
  while (text.length < length) {
    for (const byte of random.bytes(length)) {
      if (byte < whole && text.length < length) text += ALPHABET[byte % ALPHABET.length];
    }
  }
  return text;
}
