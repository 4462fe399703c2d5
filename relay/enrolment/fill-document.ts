// Puts secrets and facts into a bootstrap document, at the moment the machine fetches it.
import ipaddr from 'ipaddr.js';
import type { BootstrapDocument, MachineFactName, SecretSlot } from '../../shared/bootstrap.ts';
import { fillTemplate, slotsUsed } from '../../shared/bootstrap.ts';
import type { EnrolRequest, FilledDocument } from '../../shared/enrolment.ts';
import type { SystemId } from '../../shared/ids.ts';
import { ok, type Result } from '../../shared/result.ts';
import { publicKeyHash } from '../bootstrap/certificate-authority.ts';
import type { ClusterIdentity } from '../bootstrap/cluster-identity.ts';
import type { KubernetesCall } from '../kubernetes/kubernetes-api.ts';
import { NO_RELAY_SLOTS, namesRelay, type RelaySlots } from './relay-offer.ts';
import type { SiteSlots } from './site-slots.ts';

type Interface = EnrolRequest['interfaces'][number];

export type Sources = {
  readonly identity: ClusterIdentity;
  readonly systemId: SystemId;
  readonly nodeInterface: Interface;
  /** Asked only when the document uses a token. */
  readonly mintJoinToken: () => KubernetesCall<string>;
  readonly site: SiteSlots;
  /** Asked only when the document names a relay: one of a gateway's own machines. */
  readonly relaySlots: () => Promise<Result<RelaySlots, { readonly detail: string }>>;
};

/** Fails as a source does that is away for now: it may be tried again. */
export type Filling = Promise<Result<FilledDocument, { readonly detail: string }>>;

export async function fillDocument(document: BootstrapDocument, sources: Sources): Filling {
  const used = slotsUsed(document);
  const token = used.has('join-token') ? await sources.mintJoinToken() : ok('');
  if (!token.ok) return token;
  const relay = namesRelay(document) ? await sources.relaySlots() : ok(NO_RELAY_SLOTS);
  if (!relay.ok) return relay;
  const { ca, frontProxyCa, etcdCa, serviceAccount } = sources.identity;
  const secrets: Record<SecretSlot, string> = {
    'ca-cert': ca.certPem,
    'ca-key': ca.keyPem,
    'front-proxy-ca-cert': frontProxyCa.certPem,
    'front-proxy-ca-key': frontProxyCa.keyPem,
    'etcd-ca-cert': etcdCa.certPem,
    'etcd-ca-key': etcdCa.keyPem,
    'service-account-key': serviceAccount.privateKeyPem,
    'service-account-pub': serviceAccount.publicKeyPem,
    'join-token': token.value,
    'ca-cert-hash': used.has('ca-cert-hash') ? publicKeyHash(ca.certPem) : '',
    'relay-pairing-code': relay.value['relay-pairing-code'],
    'relay-settings': relay.value['relay-settings'],
    ...sources.site,
  };
  const facts: Record<MachineFactName, string> = {
    'node-address': sources.nodeInterface.address,
    'node-interface': sources.nodeInterface.name,
    'system-id': sources.systemId,
    'relay-origin': relay.value['relay-origin'],
    'relay-authority': relay.value['relay-authority'],
    'relay-program-sha256': relay.value['relay-program-sha256'],
    'relay-program-architecture': relay.value['relay-program-architecture'],
  };
  const values: Record<string, string> = { ...secrets, ...facts };
  const fill = (text: string): string => fillTemplate(text, (_kind, name) => values[name] ?? '');
  return ok({
    v: 1,
    nodeName: document.nodeName,
    files: document.files.map((file) => ({ ...file, content: fill(file.content) })),
    steps: document.steps.map((step) => ({
      ...step,
      script: fill(step.script),
      beforeRetry: step.beforeRetry === null ? null : fill(step.beforeRetry),
    })),
  });
}

/**
 * The interface whose address lies in `subnet`; the one the machine speaks from first, when several do. The cluster's virtual
 * address, which a control plane may hold besides its own, only when nothing else is there. Null when there is none.
 */
export function pickNodeInterface(
  interfaces: readonly Interface[],
  subnet: string,
  source: string,
  virtualAddress: string,
): Interface | null {
  const range = ipaddr.parseCIDR(subnet);
  const inside = interfaces.filter(({ address }) => ipaddr.IPv4.isValid(address) && ipaddr.parse(address).match(range));
  const own = inside.filter(({ address }) => address !== virtualAddress);
  return own.find(({ address }) => address === source) ?? own[0] ?? inside[0] ?? null;
}
