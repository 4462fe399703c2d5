// Where a MAAS is: `http(s)://host[:port]/MAAS`, whatever part of its URL the user pasted.
import type { MaasFailure } from '../../shared/maas-failure.ts';
import { err, ok, type Result } from '../../shared/result.ts';

/** `http://maas:5240/MAAS/api/2.0/` and `http://maas:5240` both give `http://maas:5240/MAAS`. A prefix before /MAAS is kept. */
export function normaliseEndpoint(text: string): Result<string, MaasFailure> {
  const trimmed = text.trim();
  if (!URL.canParse(trimmed)) return refused('the endpoint is not a URL such as http://maas.example:5240/MAAS');
  const url = new URL(trimmed);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return refused('the endpoint must be http or https');
  if (url.username !== '' || url.password !== '') return refused('the endpoint must not hold a user or a password');
  if (url.search !== '' || url.hash !== '') return refused('the endpoint must not hold a query or a fragment');
  const path = url.pathname.replaceAll(/\/{2,}/g, '/');
  const before = /^(.*?)\/MAAS(?:\/.*)?$/.exec(path)?.[1] ?? path.replace(/\/+$/, '');
  return ok(`${url.origin}${before}/MAAS`);
}

const refused = (detail: string): Result<string, MaasFailure> =>
  err({ code: 'MAAS_REFUSED', fields: { endpoint: [detail] }, detail });
