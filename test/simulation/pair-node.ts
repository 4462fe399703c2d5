// Pairs one relay node with the gateway as the API and `slipway-relay pair` do, before anything goes wrong.
import type { Identity } from '../../relay/identity.ts';
import { type GatewayId, randomPart, type Scope } from '../../shared/ids.ts';
import { pairingText } from '../../shared/pairing.ts';
import { COMMAND_KEY, type Edge, ORIGIN } from './edge.ts';
import { standInSign } from './stand-in-crypto.ts';

/** All nodes of a gateway share the key that secrets are sealed to. */
export const SEALING_KEY = 's'.repeat(43);
const CODE_MS = 86_400_000;

export function pairNode(
  edge: Edge,
  name: string,
  gatewayId: GatewayId,
  scope: Scope,
  round = 0,
): { readonly identity: Identity; readonly identityKey: string } {
  const identityKey = name.padEnd(43, 'i').replaceAll('-', '_');
  const codeHash = `${name}${round}`.padEnd(43, 'c').replaceAll('-', '_');
  const now = edge.now();
  const code = { codeHash, codeExpiresAt: now + CODE_MS };
  edge.atOnce((gateway) => gateway.create({ scope, gatewayId, name: 'simulated', ...code }));
  edge.atOnce((gateway) => gateway.renewPairingCode(codeHash, code.codeExpiresAt));
  const challenge = edge.atOnce((gateway) => gateway.pairingChallenge(codeHash, ORIGIN));
  if (!challenge.ok) throw new Error(challenge.error.code);
  const about = { codeHash, nonce: challenge.value.nonce, identityKey, sealingKey: SEALING_KEY };
  const request = { ...about, hostname: name, relayVersion: '0.0.0-simulated' };
  const signature = standInSign(identityKey, pairingText(request, ORIGIN));
  const paired = edge.atOnce((gateway) => gateway.pair({ ...request, signature }, ORIGIN));
  if (!paired.ok) throw new Error(paired.error.code);
  // I18: the code is used up; another key gets nothing for it.
  const other = { ...request, identityKey: randomPart(new Uint8Array(20).fill(3)).padEnd(43, 'x') };
  const stolen = edge.atOnce((gateway) =>
    gateway.pair({ ...other, signature: standInSign(other.identityKey, pairingText(other, ORIGIN)) }, ORIGIN),
  );
  if (stolen.ok) edge.violate('I18', 'one pairing code made two identities');
  if (paired.value.commandKey !== COMMAND_KEY) throw new Error('another command key');
  return { identityKey, identity: { ...paired.value, v: 1, origin: ORIGIN, codeHash } };
}
