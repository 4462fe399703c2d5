// The Status objects a real API server answers with: wording, reasons and codes as recorded from v1.36.2.
import type { Json, JsonObject } from './json.ts';

/** An answer that is not a success. `contentType` is application/json unless it says otherwise. */
export type ApiFailure = {
  readonly status: number;
  readonly body: JsonObject | string;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

export type Cause = { readonly reason: string; readonly message: string; readonly field?: string };

/** Which object a failure is about. `plural` for most, the kind where the recordings show the kind. */
export type Subject = { readonly plural: string; readonly group: string; readonly name?: string };

function status(code: number, reason: string, message: string, details?: JsonObject): ApiFailure {
  const body: JsonObject = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message };
  if (reason !== '') body.reason = reason;
  if (details !== undefined) body.details = details;
  body.code = code;
  return { status: code, body };
}

function detailsOf(subject: Subject, causes: readonly Cause[] = []): JsonObject {
  const details: JsonObject = {};
  if (subject.name !== undefined && subject.name !== '') details.name = subject.name;
  if (subject.group !== '') details.group = subject.group;
  details.kind = subject.plural;
  if (causes.length > 0) details.causes = causes.map((cause): Json => ({ ...cause }));
  return details;
}

const qualified = (subject: Subject): string =>
  subject.group === '' ? subject.plural : `${subject.plural}.${subject.group}`;

export const unauthorized = (): ApiFailure => status(401, 'Unauthorized', 'Unauthorized');

export const pathForbidden = (user: string, verb: string, path: string): ApiFailure =>
  status(403, 'Forbidden', `forbidden: User ${JSON.stringify(user)} cannot ${verb} path ${JSON.stringify(path)}`, {});

export function forbidden(subject: Subject, why: string, causes: readonly Cause[] = []): ApiFailure {
  const name = subject.name === undefined || subject.name === '' ? '' : ` ${JSON.stringify(subject.name)}`;
  return status(403, 'Forbidden', `${qualified(subject)}${name} is forbidden: ${why}`, detailsOf(subject, causes));
}

export const notFound = (subject: Subject): ApiFailure =>
  status(404, 'NotFound', `${qualified(subject)} ${JSON.stringify(subject.name ?? '')} not found`, detailsOf(subject));

export const resourceUnknown = (): ApiFailure =>
  status(404, 'NotFound', 'the server could not find the requested resource', {});

export const pageNotFound = (): ApiFailure => ({
  status: 404,
  body: '404 page not found\n',
  contentType: 'text/plain; charset=utf-8',
});

export const methodNotAllowed = (): ApiFailure =>
  status(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});

export const notAcceptable = (): ApiFailure =>
  status(
    406,
    'NotAcceptable',
    '406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch',
    {},
  );

export const alreadyExists = (subject: Subject): ApiFailure =>
  status(
    409,
    'AlreadyExists',
    `${qualified(subject)} ${JSON.stringify(subject.name ?? '')} already exists`,
    detailsOf(subject),
  );

export function conflict(subject: Subject, why: string): ApiFailure {
  const message = `Operation cannot be fulfilled on ${qualified(subject)} ${JSON.stringify(subject.name ?? '')}: ${why}`;
  return status(409, 'Conflict', message, detailsOf(subject));
}

export const modified = (subject: Subject): ApiFailure =>
  conflict(subject, 'the object has been modified; please apply your changes to the latest version and try again');

export const uidConflict = (kind: string, name: string, asked: string, recorded: string): ApiFailure =>
  conflict(
    { plural: kind, group: '', name },
    `the UID in the precondition (${asked}) does not match the UID in record (${recorded}). The object might have been deleted and then recreated`,
  );

export function applyConflict(causes: readonly Cause[]): ApiFailure {
  const first = causes[0];
  const one = causes.length === 1 && first !== undefined;
  const message = one
    ? `Apply failed with 1 conflict: ${first.message}: ${first.field ?? ''}`
    : `Apply failed with ${causes.length} conflicts: ${causes.map((cause) => `${cause.message}:\n- ${cause.field ?? ''}`).join('\n')}`;
  return status(409, 'Conflict', message, { causes: causes.map((cause): Json => ({ ...cause })) });
}

const REASONS: Readonly<Record<string, string>> = {
  'Required value': 'FieldValueRequired',
  'Invalid value': 'FieldValueInvalid',
  'Unsupported value': 'FieldValueNotSupported',
  Forbidden: 'FieldValueForbidden',
  'Too long': 'FieldValueTooLong',
};

export type FieldError = { readonly field: string; readonly problem: string };

/** 422. `problem` begins with the kind of problem as Kubernetes spells it ("Required value: …"). */
export function invalid(kind: string, group: string, name: string, errors: readonly FieldError[]): ApiFailure {
  const causes = errors.map((error): Cause => {
    const reason = REASONS[error.problem.split(':')[0] ?? ''] ?? 'FieldValueInvalid';
    return { reason, message: error.problem, field: error.field };
  });
  const texts = errors.map((error) => `${error.field}: ${error.problem}`);
  const told = texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
  const subject = { plural: kind, group, name };
  return status(
    422,
    'Invalid',
    `${qualified(subject)} ${JSON.stringify(name)} is invalid: ${told}`,
    detailsOf(subject, causes),
  );
}

export const patchRejected = (): ApiFailure =>
  status(422, 'Invalid', 'the server rejected our request due to an error in our request', {});

export const badRequest = (message: string): ApiFailure => status(400, 'BadRequest', message);

export const unsupportedMediaType = (accepted?: readonly string[]): ApiFailure =>
  accepted === undefined
    ? status(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {})
    : status(
        415,
        'UnsupportedMediaType',
        `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
      );

export const tooLarge = (limitBytes: number): ApiFailure =>
  status(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limitBytes}`);

export const gone = (message: string, resumeAt?: string): ApiFailure => {
  const failure = status(410, 'Expired', message);
  if (resumeAt === undefined || typeof failure.body === 'string') return failure;
  return { ...failure, body: { ...failure.body, metadata: { continue: resumeAt } } };
};

export const futureVersion = (asked: number, current: number): ApiFailure => ({
  ...status(504, 'Timeout', `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  }),
  headers: { 'retry-after': '1' },
});

/** Without a quorum of etcd: JSON in the body, text/plain on the label, and no kind in it. Exactly so recorded. */
export const timedOut = (): ApiFailure => ({
  status: 504,
  contentType: 'text/plain; charset=utf-8',
  body: {
    metadata: {},
    status: 'Failure',
    message: 'Timeout: request did not complete within the allotted timeout',
    reason: 'Timeout',
    details: {},
    code: 504,
  },
});

export const disruptionBudget = (causes: readonly Cause[]): ApiFailure =>
  status(429, 'TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    causes: causes.map((cause): Json => ({ ...cause })),
  });

/** 500 without a reason: what the server says when it gives up on a request of its own. */
export const internal = (message: string): ApiFailure => status(500, '', message);

/** The lab's own answer to whatever it does not play: loud, and in no real server's words. */
export const notModelled = (what: string): ApiFailure =>
  status(501, 'NotImplemented', `the lab's stand-in Kubernetes API does not model ${what}`, {});
