// CertificateSigningRequests: checked at create, approved by a subresource, signed by the cluster's CA soon after.
import 'reflect-metadata';
import type { webcrypto } from 'node:crypto';
import { X509Certificate as NodeCertificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { User } from './bootstrap-tokens.ts';
import type { CertificateAuthority } from './certificate-authority.ts';
import { issueCertificate } from './certificate-authority.ts';
import type { Clock } from './clock.ts';
import { timestamp } from './clock.ts';
import type { Json, JsonObject } from './json.ts';
import { grow, isObject, list, nameOf, number, object, text } from './json.ts';
import { SIGNING_REQUESTS } from './resources.ts';
import type { ApiFailure, FieldError } from './status.ts';
import { forbidden, invalid } from './status.ts';
import type { Store } from './store.ts';
import type { Timings } from './timings.ts';

const GROUP = 'certificates.k8s.io';
const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client';
const KUBELET_SIGNER = 'kubernetes.io/kube-apiserver-client-kubelet';
const CLIENT_USAGES = new Set(['client auth', 'digital signature', 'key encipherment']);
/** notBefore lies this far back, and the asked duration counts from there: 28,800 s means 7 h 55 min from now. */
const BACKDATED_MS = 5 * 60_000;
const MIN_SECONDS = 600;
const DEFAULT_SECONDS = 365 * 86_400;

/** The PEM inside spec.request, or undefined when it is none. */
function requestPem(request: Json): string | undefined {
  const pem = Buffer.from(text(request, 'spec', 'request'), 'base64').toString('utf8');
  return pem.includes('-----BEGIN CERTIFICATE REQUEST-----') ? pem : undefined;
}

/** Completes a request with its author, or says why it is refused. */
export function admitSigningRequest(request: JsonObject, user: User): ApiFailure | undefined {
  const name = nameOf(request);
  const errors: FieldError[] = [];
  const spec = grow(request, 'spec');
  const pem = requestPem(request);
  if (pem === undefined) {
    errors.push({
      field: 'spec.request',
      problem: `Invalid value: ${JSON.stringify(text(spec, 'request'))}: PEM block type must be CERTIFICATE REQUEST`,
    });
  }
  const seconds = number(spec, 'expirationSeconds');
  if (seconds !== undefined && seconds < MIN_SECONDS) {
    errors.push({
      field: 'spec.expirationSeconds',
      problem: `Invalid value: ${seconds}: may not specify a duration less than 600 seconds (10 minutes)`,
    });
  }
  if (errors.length > 0) return invalid('CertificateSigningRequest', GROUP, name, errors);
  if (pem !== undefined && text(spec, 'signerName') === CLIENT_SIGNER) {
    const organisations = new x509.Pkcs10CertificateRequest(pem).subjectName.getField('O');
    if (organisations.includes('system:masters')) {
      return forbidden(
        { plural: 'certificatesigningrequests', group: GROUP, name },
        'use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed',
      );
    }
  }
  spec.username = user.name;
  spec.groups = [...user.groups];
  if (user.extra !== undefined)
    spec.extra = Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]]));
  request.status = {};
  return undefined;
}

/** The conditions of an approval call, dated; 422 when it would take a decision back. */
export function decide(live: JsonObject, wanted: Json[], nowMs: number): ApiFailure | JsonObject {
  const before = list(live, 'status', 'conditions');
  for (const type of ['Approved', 'Denied']) {
    const had = before.some((condition) => text(condition, 'type') === type);
    if (had && !wanted.some((condition) => text(condition, 'type') === type)) {
      return invalid('CertificateSigningRequest', GROUP, nameOf(live), [
        { field: 'status.conditions', problem: `Forbidden: updates may not remove a condition of type "${type}"` },
      ]);
    }
  }
  const now = timestamp(nowMs);
  grow(live, 'status').conditions = wanted.map((condition) => ({
    ...object(condition),
    lastUpdateTime: now,
    lastTransitionTime: now,
  }));
  return live;
}

export const isDecisionRefused = (decision: ApiFailure | JsonObject): decision is ApiFailure =>
  typeof decision.status === 'number';

async function sign(request: JsonObject, authority: CertificateAuthority, clock: Clock): Promise<string> {
  const asked = new x509.Pkcs10CertificateRequest(requestPem(request) ?? '');
  const key: webcrypto.CryptoKey = await asked.publicKey.export();
  const from = clock.now() - BACKDATED_MS;
  const until = Math.min(
    from + (number(request, 'spec', 'expirationSeconds') ?? DEFAULT_SECONDS) * 1000,
    authority.notAfterMs,
  );
  const pem = await issueCertificate(authority, {
    subject: asked.subjectName,
    publicKey: key,
    notBeforeMs: from,
    notAfterMs: until,
    usage: 'client',
    names: [],
  });
  return Buffer.from(new NodeCertificate(pem).toString()).toString('base64');
}

/** A kubelet asking for itself with a join token is approved without a human, as kubeadm's RBAC arranges. */
function isKubeletOfItself(request: JsonObject): boolean {
  const groups = list(request, 'spec', 'groups');
  const known = groups.includes('system:bootstrappers:kubeadm:default-node-token') || groups.includes('system:nodes');
  return text(request, 'spec', 'signerName') === KUBELET_SIGNER && known;
}

/** Plays approver and signer. `reconcile` may be called at any time. */
export function createSigner(store: Store, authority: CertificateAuthority, clock: Clock, timings: Timings) {
  const busy = new Set<string>();

  function finish(name: string, edit: (status: JsonObject) => void): void {
    store.change(SIGNING_REQUESTS, '', name, (found) => edit(grow(found, 'status')));
  }

  function handle(request: JsonObject): void {
    const name = nameOf(request);
    const conditions = list(request, 'status', 'conditions');
    const has = (type: string): boolean => conditions.some((condition) => text(condition, 'type') === type);
    const now = timestamp(clock.now());
    if (conditions.length === 0 && isKubeletOfItself(request)) {
      finish(name, (status) => {
        status.conditions = [
          {
            type: 'Approved',
            status: 'True',
            reason: 'AutoApproved',
            message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
            lastUpdateTime: now,
            lastTransitionTime: now,
          },
        ];
      });
      return;
    }
    if (
      !has('Approved') ||
      has('Failed') ||
      has('Denied') ||
      text(request, 'status', 'certificate') !== '' ||
      busy.has(name)
    )
      return;
    busy.add(name);
    clock.after(timings.signMs, () => {
      const wrong = list(request, 'spec', 'usages').find(
        (usage) => typeof usage !== 'string' || !CLIENT_USAGES.has(usage),
      );
      if (wrong !== undefined) {
        busy.delete(name);
        finish(name, (status) => {
          const failed = {
            type: 'Failed',
            status: 'True',
            reason: 'SignerValidationFailure',
            message: `invalid usage for client certificate: ${String(wrong)}`,
            lastUpdateTime: now,
            lastTransitionTime: now,
          };
          status.conditions = [...list(status, 'conditions'), failed];
        });
        return;
      }
      sign(request, authority, clock).then(
        (certificate) => {
          busy.delete(name);
          finish(name, (status) => {
            status.certificate = certificate;
          });
        },
        (error: unknown) => {
          busy.delete(name);
          const message = error instanceof Error ? error.message : String(error);
          finish(name, (status) => {
            status.conditions = [
              ...list(status, 'conditions'),
              {
                type: 'Failed',
                status: 'True',
                reason: 'SignerValidationFailure',
                message,
                lastUpdateTime: now,
                lastTransitionTime: now,
              },
            ];
          });
        },
      );
    });
  }

  return {
    reconcile: (): void => {
      for (const request of store.all(SIGNING_REQUESTS)) if (isObject(request)) handle(request);
    },
  };
}
