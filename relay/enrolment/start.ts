// The enrolment endpoint as a relay runs it once it holds the gateway's key: certificate, server, daily renewal, and a look at
// this host's addresses, which may change.
import type { Result } from '../../shared/result.ts';
import { err, ok } from '../../shared/result.ts';
import type { GatewayKey } from '../gateway-key.ts';
import type { Keyring } from '../keyring.ts';
import { type Log, reasonOf } from '../log.ts';
import type { Disk, Ports, Timers } from '../ports.ts';
import { createEndpoint, type EndpointOptions } from './endpoint.ts';
import { ensureEndpointCertificate } from './endpoint-certificate.ts';
import { serveEnrolment } from './serve.ts';

const CERTIFICATE_CHECK_MS = 24 * 3_600_000;
const ADDRESS_CHECK_MS = 30_000;

export type EnrolmentParts = Omit<EndpointOptions, 'key' | 'ports'> & {
  readonly ports: Ports;
  readonly disk: Disk;
  readonly host: string;
  readonly port: number;
  /** Called often: the host's addresses may have changed. */
  readonly lookAtAddresses: (port: number) => void;
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
  const certificate = await ensureEndpointCertificate(disk, ports.clock.now(), key.authority);
  if (!certificate.ok) return err({ detail: certificate.error.detail, todo: 'check the disk of the state folder' });
  const endpoint = createEndpoint({ ...parts, key: key.enrolmentKey });
  const server = await serveEnrolment({ host, port, certificate: certificate.value.endpoint, log }, endpoint);
  if (!server.ok)
    return err({ detail: server.error.detail, todo: 'free the port, or set SLIPWAY_ENROLMENT_LISTEN to another' });
  parts.lookAtAddresses(server.value.port);
  const renewing = repeat(ports.timers, CERTIFICATE_CHECK_MS, log, async () => {
    const renewed = await ensureEndpointCertificate(disk, ports.clock.now(), key.authority);
    if (renewed.ok) server.value.setCertificate(renewed.value.endpoint);
    else log.error('certificate-not-renewed', { detail: renewed.error.detail });
  });
  const looking = repeat(ports.timers, ADDRESS_CHECK_MS, log, async () => parts.lookAtAddresses(server.value.port));
  return ok(() => {
    renewing();
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
