// The enrolment endpoint as the relay's main program starts it: certificate, ledger, turns, server, and the user-data that
// leads machines here.
//
//   token.ts                 what proves a machine's claim          turns.ts          documents held ready, machines waiting
//   endpoint.ts, serve.ts    what it is told, over HTTPS            fill-document.ts  secrets and facts put in
//   endpoint-certificate.ts  what it pins                           ledger.ts         who came from where, who has its document

import type { Claim } from '../../shared/claim.ts';
import type { ClusterId, EpochMs, SystemId } from '../../shared/ids.ts';
import type { ClusterFact } from '../../shared/observation.ts';
import type { Result } from '../../shared/result.ts';
import { ok } from '../../shared/result.ts';
import { renderUserData } from '../bootstrap/render-user-data.ts';
import type { Log } from '../log.ts';
import { type Disk, type DiskFailure, type Ports, sleep } from '../ports.ts';
import { createEndpoint } from './endpoint.ts';
import { type EndpointCertificate, ensureEndpointCertificate } from './endpoint-certificate.ts';
import { type Ledger, openLedger } from './ledger.ts';
import { type EnrolmentServer, type ListenFailure, serveEnrolment } from './serve.ts';
import { makeToken } from './token.ts';
import { createTurns, type Turns } from './turns.ts';

export type EnrolmentOptions = {
  readonly ports: Ports;
  readonly disk: Disk;
  readonly log: Log;
  readonly host: string;
  readonly port: number;
  /** `host:port` as machines reach this relay, in the order to try. Empty: `hostAddresses` with the port. */
  readonly advertise: readonly string[];
  readonly hostAddresses: readonly string[];
  /** The same for every relay node of a gateway. */
  readonly key: Uint8Array;
  readonly emit: (clusterId: ClusterId, fact: ClusterFact) => void;
  /** The addresses MAAS gives a machine; null when they are not known now, or not to be checked. */
  readonly addressesOf: (systemId: SystemId) => readonly string[] | null;
  /** Whether commands come to this relay node now; a standby keeps no machine waiting. */
  readonly isActive: () => boolean;
};

export type Enrolment = {
  readonly port: number;
  readonly turns: Turns;
  readonly ledger: Ledger;
  /** The same order gives the same bytes, until the authority is replaced. */
  readonly userDataFor: (order: UserDataOrder) => Promise<Uint8Array>;
  readonly close: () => Promise<void>;
};
type UserDataOrder = { readonly claim: Claim; readonly systemId: SystemId; readonly enrolUntil: EpochMs };

/** A machine is kept waiting so long; it asks again at once. Below what proxies and NAT tables forget. */
const HOLD_MS = 20_000;
const CERTIFICATE_CHECK_MS = 24 * 3_600_000;

export async function startEnrolment(
  options: EnrolmentOptions,
): Promise<Result<Enrolment, DiskFailure | ListenFailure>> {
  const { ports, disk, log, key } = options;
  const certificate = await ensureEndpointCertificate(disk, ports.clock.now());
  if (!certificate.ok) return certificate;
  const ledger = await openLedger(disk, ports.clock, log);
  const turns = createTurns(ports.timers);
  const endpoint = createEndpoint({ ...options, ledger, turns, holdMs: () => (options.isActive() ? HOLD_MS : 0) });
  const served = await serveEnrolment({ ...options, certificate: certificate.value.endpoint }, endpoint);
  if (!served.ok) return served;
  const server = served.value;
  let current = certificate.value;
  const ended = new AbortController();
  const renewing = renewDaily(options, server, ended.signal, (next) => {
    current = next;
  });
  const relayAddresses = addressesFor(options, server.port);
  return ok({
    port: server.port,
    turns,
    ledger,
    userDataFor: async (order) => {
      const token = makeToken(key, order);
      return Buffer.from(renderUserData({ ...order, relayAddresses, enrolmentCaPem: current.authorityPem, token }));
    },
    close: async () => {
      ended.abort();
      await Promise.all([server.close(), renewing]);
    },
  });
}

async function renewDaily(
  { ports, disk, log }: EnrolmentOptions,
  server: EnrolmentServer,
  signal: AbortSignal,
  use: (certificate: EndpointCertificate) => void,
): Promise<void> {
  while (await sleep(ports.timers, CERTIFICATE_CHECK_MS, signal)) {
    const checked = await ensureEndpointCertificate(disk, ports.clock.now());
    if (checked.ok) {
      server.setCertificate(checked.value.endpoint);
      use(checked.value);
    } else {
      log.error('enrolment-certificate-not-renewed', { detail: checked.error.detail });
    }
  }
}

function addressesFor(options: EnrolmentOptions, port: number): { host: string; port: number }[] {
  const texts =
    options.advertise.length > 0 ? options.advertise : options.hostAddresses.map((address) => `${address}:${port}`);
  return texts.map((text) => {
    const colon = text.lastIndexOf(':');
    return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
  });
}
