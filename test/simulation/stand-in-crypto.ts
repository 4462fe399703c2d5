// STAND-IN for all cryptography, and it says so in every value: WebCrypto settles off the thread and would break the trace.
// It keeps what the protocol depends on (a signature fits one key and one text, a sealed secret opens for its own context
// only) and nothing of what makes it secret. Real cryptography is tested where it lives.
import { readFileSync } from 'node:fs';
import type { ClusterIdentity } from '../../relay/bootstrap/cluster-identity.ts';
import type { Vault } from '../../relay/vault.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { type SealedSecret, sealContext } from '../../shared/sealed-secret.ts';
import { hash32 } from './prng.ts';

/** Never leaves the places where a secret may be (I14); every secret of the simulation holds it. */
export const CANARY = 'CANARY-of-the-simulation';

export function standInSign(key: string, text: string): string {
  const one = hash32(text, hash32(key));
  const two = hash32(key, hash32(text, one));
  return `standin-${(one >>> 0).toString(36)}-${(two >>> 0).toString(36)}`;
}

export const standInVerify = (key: string, text: string, signature: string): boolean =>
  standInSign(key, text) === signature;

type Owner = Parameters<Vault['open']>[1];
type About = Parameters<Vault['seal']>[2];
type Held = { readonly plain: Uint8Array; readonly context: string };

const contextOf = (owner: Owner, about: About): string => {
  const { info, aad } = sealContext(owner.scope, owner.gatewayId, about);
  return `${Buffer.from(info).toString('latin1')}|${Buffer.from(aad).toString('latin1')}`;
};

/** The sealing key of one gateway, shared by its relay nodes, and whatever else is sealed. A ciphertext is the number of a drawer. */
export class StandInSafe {
  readonly #held: Held[] = [];
  #identities = 0;

  makeIdentity(clusterName: string): ClusterIdentity {
    this.#identities += 1;
    return standInIdentity(clusterName, this.#identities);
  }

  seal(plain: Uint8Array, owner: Owner, about: About): SealedSecret {
    return { v: 1, ...about, encapsulatedKey: 'standin', ciphertext: this.lock(plain, contextOf(owner, about)) };
  }

  open(sealed: SealedSecret, owner: Owner): Result<Uint8Array, 'unreadable'> {
    return this.unlock(sealed.ciphertext, contextOf(owner, sealed));
  }

  lock(plain: Uint8Array, context: string): string {
    return `standin-${this.#held.push({ plain, context })}`;
  }

  unlock(ciphertext: string, context: string): Result<Uint8Array, 'unreadable'> {
    const held = this.#held[Number(ciphertext.split('-')[1]) - 1];
    return held === undefined || held.context !== context ? err('unreadable') : ok(held.plain);
  }
}

/** A real certificate (its key is thrown away), since its public key's hash is read from it. */
const CA_CERTIFICATE = readFileSync(new URL('./stand-in-ca.pem', import.meta.url), 'utf8');

/** Told apart by `number`. */
function standInIdentity(clusterName: string, number: number): ClusterIdentity {
  const pair = (what: string) => ({ certPem: CA_CERTIFICATE, keyPem: `stand-in ${CANARY} ${what} ${number}\n` });
  return {
    v: 1,
    clusterName,
    ca: pair('ca'),
    frontProxyCa: pair('front-proxy-ca'),
    etcdCa: pair('etcd-ca'),
    serviceAccount: { privateKeyPem: `stand-in ${CANARY} sa ${number}\n`, publicKeyPem: 'stand-in sa pub\n' },
  };
}
