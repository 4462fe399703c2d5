// Everything the installer refuses, by a stable code, with what to do about it. README.md lists them; a test compares.

export const INSTALL_PROBLEMS = {
  CONFIG_UNREADABLE: 'Give the path of pcg.yaml as it is seen here, inside the container if there is one.',
  FIELD_INVALID: 'Correct the field; README.md lists them all.',
  SECRET_IN_PLAIN: 'Write file:/path, env:NAME, or let `install -o true` seal it.',
  SECRET_UNREADABLE: 'Set the variable, or correct the path or its permissions.',
  PASSPHRASE_NEEDED: 'Set SLIPWAY_PASSPHRASE, give --passphrase-file, or run this at a terminal.',
  PASSPHRASE_WRONG: 'Give the passphrase that `install -o true` asked for; without it, run that again.',
  PASSPHRASE_SHORT: 'Choose 12 characters or more.',
  CONSOLE_INVALID: 'Give the origin of the console, such as https://slipway.example.',
  CONSOLE_UNREACHABLE: 'Check the name, outgoing 443 and the proxy; for an authority of your own set SLIPWAY_CA_FILE.',
  PAIRING_CODE_MISTYPED: 'Copy the whole code again: it begins with pcg1_.',
  API_KEY_MISTYPED: 'Copy the whole key again: it begins with slw_.',
  API_KEY_REFUSED: 'Use a key of a tenant or project admin that is not revoked; to uninstall, of a tenant admin.',
  CREDENTIAL_MISSING: 'Set console.pairingCode or console.apiKey, or SLIPWAY_API_KEY in the environment.',
  PROXY_INVALID: 'Give a URL such as http://user:password@proxy.example:3128.',
  PROXY_PAIR_REQUIRED: 'Give both proxies, or neither; both may be the same.',
  NO_PROXY_INVALID: 'Give networks (10.0.0.0/8), addresses, hosts or .domains, separated by commas.',
  CIDR_INVALID: 'Give an IPv4 network between /8 and /24, such as 10.244.0.0/16.',
  CIDR_NOT_PRIVATE: 'Use 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10.',
  CIDR_OVERLAP: 'Change the network named.',
  IPV6_UNSUPPORTED: 'Use IPv4.',
  MAAS_ENDPOINT_INVALID: 'Give it as MAAS shows it, such as http://10.11.130.10:5240/MAAS.',
  MAAS_KEY_FORMAT: 'Copy it from the MAAS user’s preferences: consumer_key:key:secret.',
  MAAS_UNREACHABLE: 'Check endpoint, route and firewall from here to MAAS; no proxy is used.',
  MAAS_TLS_UNTRUSTED: 'Give the PEM file of the authority of MAAS as maas.caFile.',
  MAAS_UNAUTHORIZED: 'Make a new API key in the MAAS user’s preferences.',
  MAAS_CLOCK_SKEW: 'Turn on NTP here: MAAS takes a lag of 300 s at most.',
  MAAS_FORBIDDEN: 'Give the MAAS user the right named.',
  MAAS_TOO_OLD: 'Upgrade MAAS to 3.0 or later.',
  MAAS_BUSY: 'Try again in a moment.',
  MAAS_BROKEN: 'Check the endpoint (…/MAAS); a proxy or another server may be answering.',
  FLAVOUR_INVALID: 'Use small, medium, large, or cpuCores, memoryMiB and diskGB.',
  PLACEMENT_MISSING: 'Set placement, or install on this host with --host.',
  GATEWAY_NAME_INVALID: 'Use up to 63 lower-case letters, digits and hyphens.',
  GATEWAY_NAME_TAKEN: 'Choose another name, or delete that gateway in the console.',
  OUT_NOT_WRITABLE: 'Give another folder by --out, or correct its permissions.',
  HOST_PAIRED_ELSEWHERE: 'Install on another host, or give up that identity: `slipway-relay pair --replace`.',
  HOST_NOT_WRITABLE: 'Run this as root.',
  HOST_COMMAND_FAILED: 'Correct what the program says, then run the same command again: it carries on.',
  PAIRING_FAILED: 'See what the console says; then run the same command again.',
  NOT_CONNECTED: 'See `slipway-relay doctor` and the journal of slipway-relay, then run the same command again.',
  STATE_IN_USE: 'Wait until the other slipway-relay ends, or stop it.',
  RELAY_NOT_STARTED: 'Correct what it says, then run the same command again: it carries on.',
  MACHINES_FAILED: 'Correct what it says, in MAAS or in pcg.yaml, then run the same command again.',
  NODE_REMOVED: 'Remove the folder `state` beside pcg.yaml, then run the same command again, with a new pairing code.',
  NOT_LET_GO: 'See `relay.log` beside pcg.yaml, then run the same command again: what is done is not done again.',
  GATEWAY_UNKNOWN: 'Correct gateway.name, or give an API key of its project.',
  GATEWAY_HAS_CLUSTERS: 'Delete them first, then run the same command again.',
  ACCOUNT_NAME_TAKEN: 'Rename that cloud account, then run the same command again.',
  CONSOLE_REFUSED: 'See what the console says.',
} as const;

export type InstallCode = keyof typeof INSTALL_PROBLEMS;

/** What is wrong with one answer, before it is known where it was given. Never holds the text of a secret. */
export type Refusal = {
  readonly code: InstallCode;
  readonly detail: string;
  /** Instead of the code's own. */
  readonly todo?: string;
};
/** `where`: a path in pcg.yaml, a flag, or a step. */
export type InstallProblem = Refusal & { readonly where: string };

export const refusal = (code: InstallCode, detail: string): Refusal => ({ code, detail });
export const todoOf = ({ code, todo }: Refusal): string => todo ?? INSTALL_PROBLEMS[code];

export function printProblems(problems: readonly InstallProblem[]): string {
  return problems
    .map((problem) => `  ${problem.where}: ${problem.detail} (${problem.code})\n    → ${todoOf(problem)}\n`)
    .join('');
}

/** For --json. */
export const problemJson = (problem: InstallProblem) => ({ ...problem, todo: todoOf(problem) });
