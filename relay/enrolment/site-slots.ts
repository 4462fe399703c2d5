// What a machine is told of its site: the proxy, what is reached without it, and the authorities to trust (features G3). They are
// this relay's own settings, and fill the slots of every bootstrap document.
import type { SecretSlot } from '../../shared/bootstrap.ts';
import type { LoadedConfig } from '../adapters/load-config.ts';

const SLOTS = [
  'site-https-proxy',
  'site-http-proxy',
  'site-no-proxy',
  'site-authorities',
] as const satisfies readonly SecretSlot[];
export type SiteSlots = Readonly<Record<(typeof SLOTS)[number], string>>;

export const NO_SITE_SLOTS: SiteSlots = {
  'site-https-proxy': '',
  'site-http-proxy': '',
  'site-no-proxy': '',
  'site-authorities': '',
};

/** Empty where nothing is set. No value holds a quote, a dollar, a blank or, but for the PEM, a line end. */
export function siteSlots({
  config: { proxy },
  siteAuthorities,
}: {
  readonly config: Pick<LoadedConfig['config'], 'proxy'>;
  readonly siteAuthorities: LoadedConfig['siteAuthorities'];
}): SiteSlots {
  return {
    'site-https-proxy': proxy.https === null ? '' : plainUrl(proxy.https),
    'site-http-proxy': proxy.http === null ? '' : plainUrl(proxy.http),
    'site-no-proxy': proxy.no.filter((entry) => NO_PROXY_ENTRY.test(entry)).join(','),
    'site-authorities': siteAuthorities === null ? '' : certificatesIn(siteAuthorities),
  };
}

/** What is anything else names no host, so nothing is lost without it. */
const NO_PROXY_ENTRY = /^[A-Za-z0-9.:*/_[\]-]+$/;

/** With its port, since curl, apt and Go each take another when there is none; what a shell would read is escaped. */
function plainUrl(text: string): string {
  const { protocol, username, password, hostname, port } = new URL(text);
  const user = username === '' ? '' : `${username}${password === '' ? '' : `:${password}`}@`;
  const address = `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`;
  const escaped = user.replace(/['$]/g, (character) => (character === '$' ? '%24' : '%27'));
  return `${protocol}//${escaped}${address}`;
}

/** Nothing else that stands in the file: comments, or a key that has no business there. */
function certificatesIn(pem: string): string {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return found.map((certificate) => `${certificate.replaceAll('\r', '')}\n`).join('');
}
