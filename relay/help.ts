// What `slipway-relay --help` and its commands' --help print. One place, so that README and program are compared easily.

export const HELP = `slipway-relay connects a datacentre's MAAS to a Slipway console. It dials out only.

Usage: slipway-relay <command> [options]

Commands:
  pair         turn this host into a node of a gateway, with the one-time code the console shows
  run          serve: keep the tunnel, carry out commands, let machines enrol
  doctor       check everything this relay needs, and say what to do about what is missing
  version      print the version

Options of all commands:
  --config FILE   settings file, YAML (default: $SLIPWAY_CONFIG, or /etc/slipway/relay.yaml if it is there)
  -h, --help      this text, or that of the command

Settings are read from the file and then from the environment, which wins:
  SLIPWAY_STATE_DIR            identity, keys and journal; 0700 (default /var/lib/slipway)
  SLIPWAY_CONSOLE              origin of the console, such as https://slipway.example
  SLIPWAY_CA_FILE              PEM of further authorities to trust for console and proxy
  SLIPWAY_ENROLMENT_LISTEN     host:port where machines enrol (default 0.0.0.0:8443)
  SLIPWAY_ENROLMENT_ADVERTISE  host:port,... as machines reach it (default: this host's IPv4 addresses)
  SLIPWAY_MAAS_ENDPOINTS       the only MAAS endpoints commands may name, comma-separated (default: all)
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
one for each transition. Only one process may use a state folder.

  --salvage-journal   start even if the journal is damaged in the middle: readable records are kept, the rest given up.
                      Costs at most work that is looked at twice.

Exit status: 0 ended as asked; 1 could not start, the reason and what to do are the last log line; 2 wrong use.
`;

export const DOCTOR_HELP = `Usage: slipway-relay doctor [--json]

Checks state folder, identity, journal, clock, DNS, proxy, console, MAAS and the enrolment port, and says what to do about
each that fails. Changes nothing; may run beside a relay that serves.

  --json   print the checks as one line of JSON

Exit status: 0 all well; 1 a check failed; 2 wrong use.
`;
