// What each answer of MAAS means. Texts are those recorded from MAAS 3.7.3; the full recordings run in test/contract.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addressNotHeld,
  addressRefusal,
  failureOfAnswer,
  failureOfTransport,
  unreadableAnswer,
  withoutSecrets,
} from '../../relay/maas/maas-error.ts';
import { MaasFailure } from '../../shared/maas-failure.ts';

const READ = { operation: 'machines.read', effect: 'read' } as const;
const CHANGE = { operation: 'machines.release', effect: 'change' } as const;
const answer = (status: number, body = '', headers: Record<string, string> = {}) => ({ status, body, headers });
const PAGE = '<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head></html>';
const CONFLICT_PAGE =
  '<!DOCTYPE html><h2>\n Conflict error. Try your request again, as it will most likely succeed.\n</h2>';

const CASES = [
  // status, body, headers, of a read, of a change
  [200, 'anything', {}, null, null],
  [204, '', {}, null, null],
  [301, '', { location: 'https://elsewhere/' }, 'MAAS_BROKEN', 'MAAS_BROKEN'],
  [400, '{"distro_series": ["no such image"]}', {}, 'MAAS_REFUSED', 'MAAS_REFUSED'],
  [400, 'Unable to identify subnet: nosuch.', {}, 'MAAS_REFUSED', 'MAAS_REFUSED'],
  [400, 'Unrecognised signature: method=POST op=x', {}, 'MAAS_BROKEN', 'MAAS_BROKEN'],
  [400, "'Bad Request: Parameter not found: oauth_consumer_key'", {}, 'MAAS_UNAUTHORIZED', 'MAAS_UNAUTHORIZED'],
  [401, 'Authorization Error: Invalid API key.', {}, 'MAAS_UNAUTHORIZED', 'MAAS_UNAUTHORIZED'],
  [401, "Authorization Error: 'Expired timestamp: given 1 and now 999'", {}, 'MAAS_CLOCK_SKEW', 'MAAS_CLOCK_SKEW'],
  [401, "Authorization Error: 'Nonce already used: ab'", {}, 'MAAS_BUSY', 'MAAS_UNKNOWN_OUTCOME'],
  [401, '<html><title>Company login</title>', {}, 'MAAS_BROKEN', 'MAAS_BROKEN'],
  [403, '', {}, 'MAAS_FORBIDDEN', 'MAAS_FORBIDDEN'],
  [403, 'User is not allowed access to this API.', {}, 'MAAS_UNAUTHORIZED', 'MAAS_UNAUTHORIZED'],
  [404, 'No Machine matches the given query.', {}, 'MAAS_NOT_FOUND', 'MAAS_NOT_FOUND'],
  [404, 'Unknown API endpoint: /MAAS/api/2.0/machines.', {}, 'MAAS_BROKEN', 'MAAS_BROKEN'],
  [404, '404 page not found', {}, 'MAAS_BROKEN', 'MAAS_BROKEN'],
  [404, '', {}, 'MAAS_BROKEN', 'MAAS_BROKEN'],
  [405, '', {}, 'MAAS_BROKEN', 'MAAS_BROKEN'],
  [409, 'No machine with system ID zzzzzz available.', {}, 'MAAS_CONFLICT', 'MAAS_CONFLICT'],
  [409, CONFLICT_PAGE, { 'retry-after': '5' }, 'MAAS_BUSY', 'MAAS_BUSY'],
  [409, CONFLICT_PAGE, {}, 'MAAS_BUSY', 'MAAS_BUSY'],
  [409, PAGE, {}, 'MAAS_BROKEN', 'MAAS_BROKEN'],
  [410, 'The 1.0 API is no longer available.', {}, 'MAAS_BROKEN', 'MAAS_BROKEN'],
  [429, 'slow down', { 'retry-after': '7' }, 'MAAS_BUSY', 'MAAS_BUSY'],
  [500, 'lab: simulated power failure', {}, 'MAAS_BROKEN', 'MAAS_UNKNOWN_OUTCOME'],
  [502, PAGE, {}, 'MAAS_UNREACHABLE', 'MAAS_UNKNOWN_OUTCOME'],
  [503, 'Unable to connect to any rack controller', { 'retry-after': '10' }, 'MAAS_BUSY', 'MAAS_UNKNOWN_OUTCOME'],
  [503, 'No more IPs available in subnet: 10.20.0.0/24.', {}, 'MAAS_REFUSED', 'MAAS_REFUSED'],
  [504, 'rack RPC timed out', {}, 'MAAS_BUSY', 'MAAS_UNKNOWN_OUTCOME'],
  [504, PAGE, {}, 'MAAS_UNREACHABLE', 'MAAS_UNKNOWN_OUTCOME'],
] as const;

describe('an answer of MAAS', () => {
  test.each(CASES)('%i %s', (status, body, headers, ofRead, ofChange) => {
    expect(failureOfAnswer(answer(status, body, { ...headers }), READ)?.code ?? null).toBe(ofRead);
    expect(failureOfAnswer(answer(status, body, { ...headers }), CHANGE)?.code ?? null).toBe(ofChange);
  });

  test('a retry time is read in seconds, bounded, and has a default', () => {
    const waits: Record<string, string>[] = [
      { 'retry-after': '10' },
      { 'retry-after': '999999' },
      { 'retry-after': 'Mon, 23 Nov 2026' },
      {},
    ];
    const found = waits.map((headers) => failureOfAnswer(answer(503, 'busy', headers), READ));
    expect(found.map((each) => (each?.code === 'MAAS_BUSY' ? each.retryAfterMs : null))).toEqual([
      10_000, 300_000, 5_000, 5_000,
    ]);
  });

  test('a form error keeps its fields', () => {
    const failure = failureOfAnswer(answer(400, '{"zone": ["No such zone."], "__all__": "Bad."}'), CHANGE);
    expect(failure).toMatchObject({ fields: { zone: ['No such zone.'], __all__: ['Bad.'] } });
  });

  test('a proxy is told by the title of its page', () => {
    expect(failureOfAnswer(answer(418, PAGE), READ)?.detail).toContain('502 Bad Gateway');
  });

  test('the wrong-secret answer is told without its text, which holds the right secret', () => {
    const body = "Authorization Error: 'Invalid signature. Expected signature base string: &tHeRiGhTsEcReT'";
    expect(JSON.stringify(failureOfAnswer(answer(401, body), READ))).not.toContain('tHeRiGhTsEcReT');
  });

  test('whatever is said with status 401, nothing of it is repeated', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9]{12,40}$/), fc.constantFrom(READ, CHANGE), (leak, call) => {
        for (const lead of [
          "Authorization Error: 'Invalid signature. ",
          'Forbidden ',
          'Expired timestamp ',
          'Nonce already used: ',
          '',
        ])
          expect(JSON.stringify(failureOfAnswer(answer(401, `${lead}${leak}`), call))).not.toContain(leak);
      }),
    );
  });

  test('any answer whatever gives a failure that the contract takes, or success', () => {
    const headers = fc.dictionary(fc.constantFrom('retry-after', 'content-type'), fc.string());
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 599 }),
        fc.string({ maxLength: 3_000 }),
        headers,
        (status, body, said) => {
          for (const call of [READ, CHANGE]) {
            const failure = failureOfAnswer({ status, body, headers: said }, call);
            if (status >= 200 && status < 300) expect(failure).toBeNull();
            else expect(MaasFailure.safeParse(failure).success).toBe(true);
          }
        },
      ),
    );
  });
});

describe('a call without an answer', () => {
  test.each([
    ['NEVER_SENT', 'MAAS_UNREACHABLE', 'MAAS_UNREACHABLE'],
    ['MAYBE_SENT', 'MAAS_UNREACHABLE', 'MAAS_UNKNOWN_OUTCOME'],
    ['ANSWER_TOO_LARGE', 'MAAS_BROKEN', 'MAAS_UNKNOWN_OUTCOME'],
  ] as const)('%s', (code, ofRead, ofChange) => {
    expect(failureOfTransport({ code, detail: 'x' }, READ).code).toBe(ofRead);
    expect(failureOfTransport({ code, detail: 'x' }, CHANGE).code).toBe(ofChange);
  });

  test('an untrusted certificate is told with its fingerprint', () => {
    const failure = failureOfTransport({ code: 'UNTRUSTED', fingerprint: 'AB:CD', detail: 'self-signed' }, CHANGE);
    expect(failure).toEqual({ code: 'MAAS_TLS_UNTRUSTED', fingerprint: 'AB:CD', detail: 'self-signed' });
  });

  test('success that can not be read leaves a change open', () => {
    expect(unreadableAnswer('not JSON', READ).code).toBe('MAAS_BROKEN');
    expect(unreadableAnswer('not JSON', CHANGE).code).toBe('MAAS_UNKNOWN_OUTCOME');
  });
});

test('secrets are blotted out, words that merely are short are not', () => {
  expect(withoutSecrets('a HIDDEN-KEY and HIDDEN-KEY again', ['HIDDEN-KEY', 'a', ''])).toBe('a *** and *** again');
});

test('refusals of one address are told apart', () => {
  expect(addressRefusal(answer(404, 'The IP address 10.10.0.60 is already in use.'))).toBe('taken');
  expect(addressRefusal(answer(404, '10.10.0.205 is within the reserved range from 10.10.0.200 to 10.10.0.210'))).toBe(
    'reserved-range',
  );
  expect(addressRefusal(answer(400, 'No known subnet for IP address: 192.0.2.10.'))).toBe('outside-subnets');
  expect(addressRefusal(answer(404, 'Unknown API endpoint: /x'))).toBeNull();
  expect(addressNotHeld(answer(400, 'IP address 10.10.0.60 … or does not belong to the requesting user.'))).toBe(true);
  expect(addressNotHeld(answer(400, '{"ip": ["Enter a valid IPv4 or IPv6 address."]}'))).toBe(false);
});
