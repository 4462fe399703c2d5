// What the installer asks, word for word, in this order; README.md documents each (a test compares). The port through which it
// asks: terminal-prompts.ts is the real one.

export const PROMPTS = {
  console: 'Slipway console',
  joining: 'How does the gateway join the console?',
  pairingCode: 'Pairing code',
  apiKey: 'Slipway API key',
  httpsProxy: 'HTTPS proxy (--https_proxy; empty: none)',
  httpProxy: 'HTTP proxy (--http_proxy; empty: none)',
  noProxy: 'No proxy (--no_proxy)',
  unreachable: 'The console can’t be reached this way. What now?',
  podCidr: 'Pod CIDR (--pod_cidr)',
  serviceIpRange: 'Service IP range (--svc_ip_range)',
  maasEndpoint: 'MAAS API endpoint',
  maasCaFile: 'PEM file of the authority of MAAS (empty: this host’s own)',
  maasKey: 'MAAS API key',
  zone: 'Availability zone',
  flavour: 'Flavour',
  cpuCores: 'CPU cores of a machine, at least',
  memoryMiB: 'Memory of a machine in MiB, at least',
  diskGB: 'Root disk of a machine in GB, at least',
  nodes: 'Number of nodes',
  name: 'Name of the gateway',
  passphrase: 'Passphrase to seal the secrets in pcg.yaml',
  passphraseAgain: 'The passphrase again',
} as const;

export type Choice<T> = { readonly value: T; readonly name: string; readonly description?: string };

/** Every method but `say` rejects when the user ends the prompts. `check` answers true, or what is wrong. */
export type Prompts = {
  readonly text: (question: {
    readonly message: string;
    readonly initial?: string;
    /** How the typed text is shown. */
    readonly show?: (typed: string, isFinal: boolean) => string;
    readonly check: (typed: string) => Promise<true | string>;
  }) => Promise<string>;
  readonly secret: (question: {
    readonly message: string;
    readonly check: (typed: string) => Promise<true | string>;
  }) => Promise<string>;
  readonly choose: <T extends string | number>(question: {
    readonly message: string;
    readonly choices: readonly Choice<T>[];
    readonly initial?: T;
  }) => Promise<T>;
  readonly say: (text: string) => void;
};
