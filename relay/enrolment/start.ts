// The enrolment endpoint as a relay runs it once it holds the gateway's key: certificates, server, and a look again and again at
// what machines are told: this host's addresses and the authority to pin may change.
import type { Result } from '../../shared/result.ts';
import { err, ok } from '../../shared/result.ts';
import type { GatewayKey } from '../gateway-key.ts';
import type { Keyring } from '../keyring.ts';
import { type Log, reasonOf } from '../log.ts';
import type { Disk, Ports, Timers } from '../ports.ts';
import { type Certificates, createCertificates } from './certificates.ts';
import { createEndpoint, type EndpointOptions } from './endpoint.ts';
import type { EndpointCertificate } from './endpoint-certificate.ts';
import { serveEnrolment } from './serve.ts';

const LOOK_MS = 30_000;

export type EnrolmentParts = Omit<EndpointOptions, 'key' | 'ports'> & {
  readonly ports: Ports;
  readonly disk: Disk;
  readonly host: string;
  readonly port: number;
  /** Number of the authority that new machines pin. */
  readonly authority: number;
  /** Called often: addresses of the host and certificate may have changed. */
  readonly serves: (port: number, certificate: EndpointCertificate, certificates: Certificates) => void;
};

export type EnrolmentFailure = { readonly detail: string; readonly todo: string };

export type Enrolment = {
  /** Begins to serve, if the gateway's key is held; null when all is well. */
  readonly start: () => Promise<EnrolmentFailure | null>;
  /** The key has changed: serves with the new one, and then calls back. What fails is logged. */
  readonly restart: (then: () => void) => void;
  readonly close: () => Promise<void>;
};

export function createEnrolment(parts: EnrolmentParts, keyring: Pick<Keyring, 'held'>): Enrolment {
  let close = async (): Promise<void> => {};
  const start = async (): Promise<EnrolmentFailure | null> => {
    await close();
    close = async () => {};
    const key = keyring.held();
    if (key === null) return null;
    const serving = await serveWith(parts, key);
    if (!serving.ok) return serving.error;
    close = serving.value;
    return null;
  };
  return {
    start,
    restart: (then) => {
      start()
        .then((failure) => {
          if (failure !== null) parts.log.error('enrolment-not-served', failure);
        })
        .catch((error: unknown) => parts.log.error('enrolment-not-served', { detail: reasonOf(error) }))
        .finally(then);
    },
    close: () => close(),
  };
}

/** Answers what ends it. */
async function serveWith(
  parts: EnrolmentParts,
  key: GatewayKey,
): Promise<Result<() => Promise<void>, EnrolmentFailure>> {
  const { disk, ports, log, host, port } = parts;
  const certificates = createCertificates({ disk, clock: ports.clock, log, key, number: parts.authority });
  const endpoint = createEndpoint({ ...parts, key: key.enrolmentKey });
  const { endpoint: certificate } = await certificates.under(0);
  const certificateFor = certificates.named;
  const server = await serveEnrolment({ host, port, certificate, certificateFor, log }, endpoint);
  if (!server.ok)
    return err({ detail: server.error.detail, todo: 'free the port, or set SLIPWAY_ENROLMENT_LISTEN to another' });
  const look = async (): Promise<void> =>
    parts.serves(server.value.port, await certificates.under(parts.authority), certificates);
  await look();
  const looking = repeat(ports.timers, LOOK_MS, log, look);
  return ok(() => {
    looking();
    return server.value.close();
  });
}

/** The answered function ends it. */
function repeat(timers: Timers, everyMs: number, log: Log, work: () => Promise<void>): () => void {
  let over = false;
  let cancel = (): void => {};
  const again = (): void => {
    if (over) return;
    cancel = timers.after(everyMs, () => {
      work()
        .catch((error: unknown) => log.error('enrolment-upkeep-failed', { detail: reasonOf(error) }))
        .finally(again);
    });
  };
  again();
  return () => {
    over = true;
    cancel();
  };
}
