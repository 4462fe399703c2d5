// A gateway made, paired and connected through the API, with a relay that answers what the test tells it to.
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { GatewayCreated } from '../../functions/api/gateways.ts';
import { fromBase64url, toBase64url } from '../../functions/sign-command.ts';
import type { Command, CommandOutcome, Verb } from '../../shared/command.ts';
import type { Scope } from '../../shared/ids.ts';
import type { AccountFacts, InventoryFacts } from '../../shared/inventory.ts';
import { PairingChallenge, PairingResponse } from '../../shared/pairing.ts';
import { type SealedSecret, sealContext } from '../../shared/sealed-secret.ts';
import { answerOf, callApi } from './call-api.ts';
import { FakeRelay, type Keys, makeKeys, type Node, pairingRequest, sha256 } from './fake-relay.ts';

const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

export type ApiGateway = {
  readonly node: Node;
  readonly relay: FakeRelay;
  /** What is inside a secret sealed to this gateway. */
  open(scope: Scope, secret: SealedSecret): Promise<string>;
};

let addresses = 0;

/**
 * Pairs over HTTP, from an address of its own: the limit per address is another test's.
 * @param object of the gateway, as the relay of one of its own machines names it
 */
export async function pairByApi(pairingCode: string, keys: Keys, object?: string): Promise<PairingResponse> {
  addresses += 1;
  const headers = { 'cf-connecting-ip': `198.51.100.${addresses}` };
  const codeHash = await sha256(pairingCode);
  const named = object === undefined ? {} : { object };
  const asked = callApi('POST', '/v1/pairing/challenge', { json: { codeHash, ...named }, headers });
  const { nonce } = await answerOf(asked, 200, PairingChallenge);
  const json = { ...(await pairingRequest(keys, codeHash, nonce)), ...named };
  return answerOf(callApi('POST', '/v1/pairing', { json, headers }), 200, PairingResponse);
}

/** @param more fields of the request, such as a recovery key */
export async function connectGateway(
  key: string,
  name: string,
  more: Readonly<Record<string, string>> = {},
): Promise<ApiGateway> {
  const asked = callApi('POST', '/v1/gateways', { key, json: { name, ...more } });
  const { pairingCode } = await answerOf(asked, 201, GatewayCreated);
  const sealing = await suite.kem.generateKeyPair();
  const sealingKey = toBase64url(new Uint8Array(await suite.kem.serializePublicKey(sealing.publicKey)));
  const keys = { ...(await makeKeys()), sealingKey };
  const { gatewayId, nodeId, commandKey, tunnelPath } = await pairByApi(pairingCode, keys);
  const node = { ...keys, gatewayId, nodeId, commandKey, tunnelPath };
  const relay = await FakeRelay.join(node, 1);
  await relay.next('welcome');
  return {
    node,
    relay,
    open: async (scope, secret) => {
      const { info, aad } = sealContext(scope, gatewayId, secret);
      const enc = fromBase64url(secret.encapsulatedKey);
      const from = { recipientKey: sealing.privateKey, enc, info };
      return new TextDecoder().decode(await suite.open(from, fromBase64url(secret.ciphertext), aad));
    },
  };
}

/** Answers the next command of this verb (that a caller of the API waits for, if `asked`); others that come meanwhile stay unanswered. */
export async function answerNext(
  { relay, node }: ApiGateway,
  verb: Verb,
  outcome: CommandOutcome | ((command: Command) => CommandOutcome),
  asked = false,
): Promise<Command> {
  for (;;) {
    const { commands } = await relay.delivered(node);
    const command = commands.find((one) => one.body.verb === verb && (!asked || one.clusterId === null));
    if (command === undefined) continue;
    const { commandId } = command;
    relay.send({ type: 'receipt', commandIds: [commandId] });
    const told = typeof outcome === 'function' ? outcome(command) : outcome;
    relay.send({ type: 'report', commandId, outcome: told, epoch: null });
    return command;
  }
}

export const ACCOUNT_FACTS: AccountFacts = {
  maasVersion: '3.7.1',
  user: 'slipway',
  isAdmin: false,
  zones: ['default'],
  pools: ['default'],
  domains: ['maas'],
  images: ['ubuntu/noble'],
  readyMachines: 12,
  permissionsMissing: [],
};

export const INVENTORY: InventoryFacts = {
  observedAt: 1,
  zones: ['default'],
  pools: ['default'],
  tags: [],
  domains: [{ name: 'maas', authoritative: true, isDefault: true }],
  subnets: [],
  images: [{ name: 'ubuntu/noble', architecture: 'amd64' }],
  machines: [],
};

export const accountOk: CommandOutcome = { ok: true, value: { verb: 'observe-account', account: ACCOUNT_FACTS } };
