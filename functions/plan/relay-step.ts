// Pure. How a gateway's machine gets its relay (SPEC.md [GW1]): the program from the relay that serves the document, and what
// the new one pairs with. The names of the files are those that `slipway-relay install --node` reads.
import type { BootstrapFile } from '../../shared/bootstrap.ts';
import { ENROLMENT_PATHS, PROGRAM_DIGEST_HEADER } from '../../shared/enrolment.ts';
import { SLIPWAY_FOLDER } from './document-kind.ts';

const RELAY_FOLDER = `${SLIPWAY_FOLDER}/relay`;
const PAIRING_CODE = `${RELAY_FOLDER}/pairing-code`;
/** Of the program that was taken. */
const DIGEST = `${RELAY_FOLDER}/program.sha256`;

export const RELAY_FILES: readonly BootstrapFile[] = [
  { path: PAIRING_CODE, mode: '0600', content: '{{secret:relay-pairing-code}}' },
  { path: `${RELAY_FOLDER}/relay.yaml`, mode: '0600', content: '{{secret:relay-settings}}' },
  { path: `${RELAY_FOLDER}/authority.pem`, mode: '0644', content: '{{fact:relay-authority}}' },
];

/**
 * The machine's token and the name in the relay's certificate are where user-data left them (relay/bootstrap). The token is
 * read from a file, since what stands on a command line every user of the machine can see. A relay that was upgraded since it
 * served the document sends another program, and says its digest over the same connection, which the machine pins by the same
 * authority. Run again, it downloads nothing that is there, and `install --node` carries on.
 */
export const INSTALL_RELAY = `origin='{{fact:relay-origin}}'
digest='{{fact:relay-program-sha256}}'
architecture='{{fact:relay-program-architecture}}'
program=/usr/local/bin/slipway-relay
if [ -f ${DIGEST} ]; then digest=$(<${DIGEST}); fi
if [ "$(uname -m)" != "$architecture" ]; then
  echo "The relay at $origin offers its program for $architecture, and this machine is $(uname -m)." >&2
  exit 1
fi
is_whole() { [ -f "$1" ] && echo "$digest  $1" | sha256sum --check --status; }
if ! is_whole "$program"; then
  . ${SLIPWAY_FOLDER}/enrolment.env
  mkdir -p /usr/local/bin
  passing=$(mktemp /usr/local/bin/.slipway-relay.XXXXXX)
  trap 'rm -f "$passing" "$passing.headers"' EXIT
  curl --silent --show-error --fail --noproxy '*' --proto '=https' --cacert ${RELAY_FOLDER}/authority.pem \\
    --header @${SLIPWAY_FOLDER}/authorization --connect-to "$SERVER_NAME:443:${'$'}{origin#https://}" \\
    --connect-timeout 5 --max-time 300 --dump-header "$passing.headers" --output "$passing" \\
    "https://$SERVER_NAME${ENROLMENT_PATHS.program}"
  announced=$(sed -n 's/^${PROGRAM_DIGEST_HEADER}: \\([0-9a-f]\\{64\\}\\).*$/\\1/p' "$passing.headers" | tail -n 1)
  digest=${'$'}{announced:-$digest}
  if ! is_whole "$passing"; then
    echo "What the relay at $origin sent is not the program it announced: its SHA-256 is not $digest." >&2
    exit 1
  fi
  if [ "$(head -c 4 "$passing" | tail -c 3)" != ELF ]; then
    echo "The relay at $origin runs from source: it has no program for another machine." >&2
    exit 1
  fi
  chmod 0755 "$passing"
  mv -f "$passing" "$program"
  echo "$digest" >${DIGEST}
fi
"$program" install --node ${RELAY_FOLDER}`;

/** The code is used up, but the file would say so to whoever finds it. */
export const CLEAR_RELAY = `rm -f ${PAIRING_CODE}`;
