// What a machine and the relay's enrolment endpoint say to each other, over the datacentre's own network (HTTPS, the relay's
// own CA pinned in user-data). Every request carries `Authorization: Bearer <token>`; the token is an HMAC of the claim, so
// every relay node of a gateway knows it and none must store it.
//
//   POST /v1/enrol        hello: who I am, which addresses I have              204 | 401 | 403 not this machine
//   GET  /v1/bootstrap    my document        200 (script, or JSON by Accept)   204 not your turn, wait | 410 already fetched
//   POST /v1/acknowledge  I have the document whole; the fetch ends here       204
//   GET  /v1/program      the relay's own program, for a machine of the gateway's own      200 | 404 not offered
//   POST /v1/report       a step started, succeeded or failed                  204
//
// Whoever has a good token is also told where the gateway's relays serve now (RELAYS_HEADER): E2 in PROTOCOL.md.
import { z } from 'zod';
import { BootstrapFile, BootstrapStep } from './bootstrap.ts';
import { Claim } from './claim.ts';
import { SystemId } from './ids.ts';
import { REPORT_LOG_BYTES_MAX } from './limits.ts';

export const ENROLMENT_PATHS = {
  enrol: '/v1/enrol',
  bootstrap: '/v1/bootstrap',
  acknowledge: '/v1/acknowledge',
  program: '/v1/program',
  report: '/v1/report',
} as const;

/** SHA-256 in hex of the program that comes with it: of an upgraded relay it is another than in a document it gave out before. */
export const PROGRAM_DIGEST_HEADER = 'x-slipway-program-sha256';

/** `host:port host:port …`, in the order to try. */
export const RELAYS_HEADER = 'x-slipway-relays';

export const EnrolRequest = z.strictObject({
  claim: Claim,
  systemId: SystemId,
  interfaces: z
    .array(z.strictObject({ name: z.string().max(64), address: z.ipv4() }))
    .min(1)
    .max(128),
});
export type EnrolRequest = z.infer<typeof EnrolRequest>;

/** The filled-in document as JSON, for `Accept: application/json`. The default form is a bash script doing the same. */
export const FilledDocument = z.strictObject({
  v: z.literal(1),
  nodeName: z.string(),
  files: z.array(BootstrapFile),
  steps: z.array(BootstrapStep),
});
export type FilledDocument = z.infer<typeof FilledDocument>;

export const StepOutcome = z.enum(['started', 'succeeded', 'failed']);

export const StepReport = z.strictObject({
  claim: Claim,
  systemId: SystemId,
  /** A step's name, or `bootstrap` for the whole. */
  step: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/),
  outcome: StepOutcome,
  attempt: z.int().min(1).max(1_000),
  exitCode: z.int().nullable(),
  /** The last lines the step printed. */
  log: z.string().max(REPORT_LOG_BYTES_MAX),
});
export type StepReport = z.infer<typeof StepReport>;

/** The step name that reports the whole bootstrap's end. */
export const WHOLE_BOOTSTRAP = 'bootstrap';
