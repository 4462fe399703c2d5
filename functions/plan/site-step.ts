// Pure. How a machine gets the proxy and the authorities of its site (SPEC.md [SI1]-[SI4]). Both are settings of the gateway's
// own and known only there, so they come in files; what this cluster needs reached directly is known here.
import type { BootstrapFile } from '../../shared/bootstrap.ts';
import { SLIPWAY_FOLDER } from './document-kind.ts';
import { quote } from './user-text.ts';

const SITE_FOLDER = `${SLIPWAY_FOLDER}/site`;
/** Read by systemd as root, since what stands in a unit's `Environment=` every user of the machine can ask for. */
const PROXY_VARIABLES = '/etc/default/slipway-site-proxy';

export const SITE_FILES: readonly BootstrapFile[] = [
  { path: `${SITE_FOLDER}/https-proxy`, mode: '0600', content: '{{secret:site-https-proxy}}' },
  { path: `${SITE_FOLDER}/http-proxy`, mode: '0600', content: '{{secret:site-http-proxy}}' },
  { path: `${SITE_FOLDER}/no-proxy`, mode: '0600', content: '{{secret:site-no-proxy}}' },
  { path: `${SITE_FOLDER}/authorities.pem`, mode: '0600', content: '{{secret:site-authorities}}' },
];

/** What the step was given holds the proxy's password. */
export const CLEAR_SITE = `rm -rf ${SITE_FOLDER}`;

/** For the commands of a step alone: `kubeadm` would write the variables into the pods it makes. */
export const USE_SITE_PROXY = `if [ -f ${PROXY_VARIABLES} ]; then set -a; . ${PROXY_VARIABLES}; set +a; fi`;

export type DirectlyReached = {
  readonly podSubnet: string;
  readonly serviceSubnet: string;
  readonly dnsDomain: string;
  readonly nodeSubnet: string;
  readonly endpoint: { readonly ip: string; readonly fqdn: string };
  /** Origin or URL of MAAS. */
  readonly maas: string;
};

/** In the order of who needs it; repeated entries are dropped on the machine, where those of the site come after them. */
export function directlyReached(given: DirectlyReached): string[] {
  const { endpoint } = given;
  const domain = endpoint.fqdn.slice(endpoint.fqdn.indexOf('.') + 1);
  const cluster = [given.podSubnet, given.serviceSubnet, given.nodeSubnet, endpoint.ip, endpoint.fqdn];
  const names = ['.svc', '.cluster.local', `.${given.dnsDomain}`, `.${domain}`];
  return ['localhost', '127.0.0.0/8', ...cluster, hostOf(given.maas), ...names];
}

/** Of a URL: a name or an address, an IPv6 one without its brackets. */
function hostOf(url: string): string {
  const [, bracketed, plain] = /^\w+:\/\/(?:[^@/]*@)?(?:\[([^\]]+)\]|([^:/?#]+))/.exec(url) ?? [];
  return bracketed ?? plain ?? '';
}

/** May be run again: every file is written whole or, with nothing to say, not at all. */
export function siteScript(direct: readonly string[]): string {
  return `site=${SITE_FOLDER}
value() { if [ -f "$site/$1" ]; then cat "$site/$1"; fi; }
https=$(value https-proxy)
http=$(value http-proxy)
authorities=$(value authorities.pem)
if [ -z "$https$http$authorities" ]; then
  rm -rf "$site"
  echo "The site has no proxy and no authorities of its own."
  exit 0
fi
umask 022
${PLACE}
if [ -n "$authorities" ]; then
${TRUST}
fi
if [ -n "$https$http" ]; then
  direct=$({ printf '%s\\n' ${direct.map(quote).join(' ')}; value no-proxy | tr , '\\n'; } | awk 'NF && !seen[$0]++' | paste -sd, -)
${PROXY}
fi
systemctl daemon-reload
if systemctl is-active --quiet containerd; then systemctl restart containerd; fi`;
}

/** A passing name with a dot is read by neither apt nor systemd. */
const PLACE = `# place MODE PATH, content on standard input
place() {
  local passing="\${2%/*}/.\${2##*/}.slipway"
  mkdir -p "\${2%/*}"
  (umask 077 && cat >"$passing")
  chmod "$1" "$passing"
  mv -fT "$passing" "$2"
}`;

/** One certificate a file, as update-ca-certificates wants them. */
const TRUST = `  certificates=/usr/local/share/ca-certificates
  mkdir -p "$certificates"
  rm -f "$certificates"/slipway-site*.crt
  awk -v start="$certificates/slipway-site" '/^-----BEGIN CERTIFICATE-----/ { n++; file = start (n > 1 ? "-" n : "") ".crt" }
    file { print >file } /^-----END CERTIFICATE-----/ { close(file); file = "" }' <<<"$authorities"
  chmod 0644 "$certificates"/slipway-site*.crt
  if command -v update-ca-certificates >/dev/null; then
    update-ca-certificates
  else
    echo "ca-certificates is not installed: it takes the site's authorities up when it is."
  fi
  echo "Authorities of the site trusted: $(grep -c BEGIN <<<"$authorities")"`;

/**
 * Both spellings: curl heeds `http_proxy` only, others the upper case. apt knows no networks or domains, so it is told
 * the hosts. `/etc/environment` stays as readable as it was: every session gets what is in it anyway.
 */
const PROXY = `  variables() {
    if [ -n "$http" ]; then printf 'HTTP_PROXY="%s"\\nhttp_proxy="%s"\\n' "$http" "$http"; fi
    if [ -n "$https" ]; then printf 'HTTPS_PROXY="%s"\\nhttps_proxy="%s"\\n' "$https" "$https"; fi
    printf 'NO_PROXY="%s"\\nno_proxy="%s"\\n' "$direct" "$direct"
  }
  for_apt() {
    if [ -n "$http" ]; then echo "Acquire::http::Proxy \\"$http\\";"; fi
    if [ -n "$https" ]; then echo "Acquire::https::Proxy \\"$https\\";"; fi
    tr , '\\n' <<<"$direct" |
      sed -nE 's#^[A-Za-z0-9][A-Za-z0-9.-]*$#Acquire::http::Proxy::& "DIRECT";\\nAcquire::https::Proxy::& "DIRECT";#p'
  }
  variables | place 0600 ${PROXY_VARIABLES}
  for_apt | place 0600 /etc/apt/apt.conf.d/90slipway-proxy
  for unit in containerd kubelet; do
    printf '[Service]\\nEnvironmentFile=-%s\\n' ${PROXY_VARIABLES} |
      place 0644 "/etc/systemd/system/$unit.service.d/90-slipway-proxy.conf"
  done
  begin='# slipway site: begin' end='# slipway site: end'
  {
    if [ -f /etc/environment ]; then sed "/^$begin\\$/,/^$end\\$/d" /etc/environment; fi
    echo "$begin"
    variables
    echo "$end"
  } | place 0644 /etc/environment
  shown() { sed -E 's#//[^@/]*@#//<redacted>@#' <<<"\${1:-none}"; }
  echo "HTTPS proxy: $(shown "$https")"
  echo "HTTP proxy: $(shown "$http")"
  echo "Reached directly: $direct"`;
