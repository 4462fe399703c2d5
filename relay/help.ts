// What `slipway-relay --help` and its commands' --help print. One place, so that README and program are compared easily.

export const HELP = `slipway-relay connects a datacentre's MAAS to a Slipway console. It dials out only.

Usage: slipway-relay <command> [options]

Commands:
  install      make a gateway: ask and write pcg.yaml, check everything, install on machines of MAAS or on this host
  uninstall    delete a gateway and give its machines back to MAAS
  pair         turn this host into a node of a gateway, with the one-time code the console shows
  run          serve: keep the tunnel, carry out commands, let machines enrol
  recover      put the key of a gateway whose relays are all lost into an unpaired folder, by its recovery key
  doctor       check everything this relay needs, and say what to do about what is missing
  version      print the version, and which one \`run\` starts when that is another

Options of all commands:
  --config FILE   settings file, YAML (default: $SLIPWAY_CONFIG, or /etc/slipway/relay.yaml if it is there)
  -h, --help      this text, or that of the command

Settings are read from the file and then from the environment, which wins:
  SLIPWAY_STATE_DIR            identity, keys and journal; 0700 (default /var/lib/slipway)
  SLIPWAY_CONSOLE              origin of the console, such as https://slipway.example
  SLIPWAY_CA_FILE              PEM of further authorities to trust for console and proxy
  SLIPWAY_ENROLMENT_LISTEN     host:port where machines enrol (default 0.0.0.0:8443)
  SLIPWAY_ENROLMENT_ADVERTISE  where machines reach it: host:port, a network of this host or interface:NAME; commas between
                               (default: this host's IPv4 addresses)
  SLIPWAY_ENROLMENT_AUTHORITY  0 to 99: the authority that machines deployed from now on pin (default 0)
  SLIPWAY_ENROLMENT_CHECK_SOURCE   false where addresses are translated between machines and relay (default true)
  SLIPWAY_MAAS_ENDPOINTS       the only MAAS endpoints commands may name, comma-separated (default: all)
  SLIPWAY_RELEASE_KEY          the only key whose releases this relay takes (default: the one pairing pinned)
  SLIPWAY_LOG_LEVEL            debug, info, warn or error (default info)
  HTTPS_PROXY HTTP_PROXY NO_PROXY   for the console only; MAAS and machines are always reached directly
`;

export const PAIR_HELP = `Usage: slipway-relay pair [--console URL] [--replace] [--json]

Asks for the pairing code, or reads it from standard input when that is no terminal. Checks the code, makes this node's keys if there are none, proves them to the console and keeps the identity it gets.
Safe to repeat: the same code again changes nothing, and keys once made stay.

  --console URL   instead of SLIPWAY_CONSOLE
  --replace       give up the identity this state folder has, for the new code's
  --json          print the result as one line of JSON

Exit status: 0 paired; 1 not paired, the reason and what to do are printed; 2 wrong use.
`;

export const RUN_HELP = `Usage: slipway-relay run [--salvage-journal]

Serves until SIGTERM or SIGINT, then lets what has begun get to a safe point and ends with 0. Logs JSON lines to stdout,
one for each transition. Only one process may use a state folder. If an upgrade put a newer program into the state
folder, this process turns into that one.

  --salvage-journal   start even if the journal is damaged in the middle: readable records are kept, the rest given up.
                      Costs at most work that is looked at twice.
  --trial             for a relay that upgrades itself: it starts its successor so

Exit status: 0 ended as asked; 1 could not start, the reason and what to do are the last log line; 2 wrong use.
`;

export const DOCTOR_HELP = `Usage: slipway-relay doctor [--json]

Checks state folder, free disk, identity, gateway key, journal, the program that runs, release key, clock, DNS, proxy, console,
MAAS, the enrolment port, the addresses machines are told and the certificate they are shown, and says what to do about each that
fails. Changes nothing; may run beside a relay that serves.

  --json   print the checks as one line of JSON

Exit status: 0 all well; 1 a check failed; 2 wrong use.
`;

export const RECOVER_HELP = `Usage: slipway-relay recover --bundle FILE --key FILE [--json]

Opens a gateway's recovery bundle and writes gateway-key.json into a state folder that is not paired yet: the relay that
pairs from there, with a new pairing code of that gateway, holds the gateway's key from the start. Safe to repeat.
Asks nobody, so it needs no network.

  --bundle FILE   what GET /v1/gateways/{id}/recovery-bundle answered
  --key FILE      the private half of the recovery key, X25519 in PEM (PKCS#8); refused if others may read the file
  --json          print the result as one line of JSON

Exit status: 0 recovered; 1 not, the reason and what to do are printed; 2 wrong use.
`;

export const INSTALL_HELP = `Usage: slipway-relay install -o true [--out DIR] [flags]
       slipway-relay install --check -c pcg.yaml [--host] [--json] [flags]
       slipway-relay install -s true -c pcg.yaml [--json] [flags]
       slipway-relay install -s true -c pcg.yaml --host [flags]
       slipway-relay install --node DIR [--prefix DIR] [--no-start]

Makes a gateway. -o asks, checks each answer, and writes DIR/NAME-TIMESTAMP/pcg.yaml (0600) with no secret in plain.
--check looks at everything an install needs and lists all that is missing. -s checks the same and installs, on machines
of MAAS or with --host on this host; run again after a failure, with an edited file if need be, it carries on.
\`install\` may be left out before -o and -s.

Without --host, any host will do that reaches the console, MAAS and the machines, and that machines reach: it is the
gateway's relay until the relays on its machines take over, keeps what it must in the folder \`state\` beside pcg.yaml,
and removes that when it is done.

  -o, --interactive [true]   ask, at a terminal
  -s, --silent [true]        ask nothing, and install from the file
  -c, --config-file FILE     pcg.yaml
  --check                    only check; changes nothing
  --host                     install on this host, under systemd, instead of on machines of MAAS
  --node DIR                 on a machine of a gateway: install its relay from DIR, where its bootstrap left the files
                             relay.yaml and pairing-code. Machines do this themselves
  --out DIR                  where -o writes (default: this folder; in a container /opt/slipway)
  --https_proxy URL          these five win over the file, and answer their question of -o
  --http_proxy URL
  --no_proxy LIST            networks, addresses, hosts, .domains; comma-separated
  --pod_cidr CIDR
  --svc_ip_range CIDR
  --passphrase-file FILE     opens, or seals, the secrets in pcg.yaml (else SLIPWAY_PASSPHRASE, else it is asked for)
  --prefix DIR               with --host or --node: put everything below DIR
  --no-start                 with --host or --node: don't start the service
  --json                     with --check: one line of JSON; with -s: the last line is JSON
  -h, --help                 this text

Environment: SLIPWAY_API_KEY (makes the gateway, and with --host its default cloud account; never written),
SLIPWAY_PASSPHRASE, SLIPWAY_CONSOLE (suggested by -o), SLIPWAY_CA_FILE, SLIPWAY_HOST_DIR (what --out is called outside the
container), SLIPWAY_ENROLMENT_LISTEN and SLIPWAY_ENROLMENT_ADVERTISE (where machines reach this host meanwhile; they win
over enrolment in pcg.yaml). SLIPWAY_ENROLMENT_AUTHORITY, SLIPWAY_ENROLMENT_CHECK_SOURCE, SLIPWAY_MAAS_ENDPOINTS,
SLIPWAY_RELEASE_KEY and SLIPWAY_LOG_LEVEL count too, and go on to the relays of its machines.

Exit status: 0 done, or all checks well; 1 something is wrong, all of it is printed with what to do; 2 wrong use;
130 interrupted: nothing is lost, the same command carries on.
`;

export const UNINSTALL_HELP = `Usage: slipway-relay uninstall -c pcg.yaml [--json] [flags]

Deletes a gateway and gives its machines, address and DNS names back to MAAS. Run it on a host that reaches the console
and MAAS and is none of the gateway's machines: their relays can't see their own end, so this host is its relay until
then. With an API key it asks for the deletion itself, which is refused while the gateway has clusters; without one,
pcg.yaml must name a new pairing code of the gateway, and the deletion is asked for in the console.
Run again after an interruption, it carries on.

  -c, --config-file FILE     pcg.yaml, as the gateway was installed from
  --https_proxy URL          these win over the file
  --http_proxy URL
  --no_proxy LIST
  --passphrase-file FILE     opens the secrets in pcg.yaml (else SLIPWAY_PASSPHRASE, else it is asked for)
  --json                     the last line is JSON
  -h, --help                 this text

Environment: SLIPWAY_API_KEY, SLIPWAY_PASSPHRASE, SLIPWAY_CA_FILE, SLIPWAY_ENROLMENT_LISTEN, SLIPWAY_ENROLMENT_ADVERTISE.

Exit status: 0 deleted, all is given back; 1 something is wrong, it is printed with what to do; 2 wrong use;
130 interrupted: nothing is lost, the same command carries on.
`;
