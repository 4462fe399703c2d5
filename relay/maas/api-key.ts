// A MAAS API key: `consumer:token:secret`, as MAAS shows it to its user.
import type { MaasFailure } from '../../shared/maas-failure.ts';
import { err, ok, type Result } from '../../shared/result.ts';

export type ApiKey = { readonly consumer: string; readonly token: string; readonly secret: string };

const PARTS = ['consumer key (first part)', 'token key (second part)', 'token secret (third part)'] as const;

/** Fails with MAAS_REFUSED naming the part that is missing, never any part's text. */
export function parseApiKey(text: string): Result<ApiKey, MaasFailure> {
  const [consumer = '', token = '', secret = '', ...rest] = text.trim().split(':');
  const missing = [consumer, token, secret].flatMap((part, at) => (part === '' ? [PARTS[at] ?? ''] : []));
  if (missing.length > 0) return refused(`the ${missing.join(' and the ')} of the API key is missing`);
  if (rest.length > 0) return refused('the API key has more than three parts');
  if (![consumer, token, secret].every((part) => /^[\x21-\x7e]+$/.test(part)))
    return refused('the API key holds blanks or characters that MAAS never uses');
  return ok({ consumer, token, secret });
}

const refused = (detail: string): Result<ApiKey, MaasFailure> =>
  err({ code: 'MAAS_REFUSED', fields: { apiKey: [detail] }, detail });
