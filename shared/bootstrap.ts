// What a machine gets when it is its turn: files and steps, decided at the edge. Secrets are named, never held: the relay
// puts them in when the machine fetches its document (architecture §4, §12.6).
import { z } from 'zod';

/** Text may hold `{{secret:NAME}}` and `{{fact:NAME}}`. The lists are closed: an unknown name is refused when parsed. */
export const SECRET_SLOTS = [
  'ca-cert',
  'ca-key',
  'front-proxy-ca-cert',
  'front-proxy-ca-key',
  'etcd-ca-cert',
  'etcd-ca-key',
  'service-account-key',
  'service-account-pub',
  /** A kubeadm token of 10 minutes, minted when the document is fetched. */
  'join-token',
  /** `sha256:…` of the cluster CA's public key. Not secret, known only where the identity is opened. */
  'ca-cert-hash',
  /** A pairing code for the relay of this machine, minted when the document is fetched; gateways only. */
  'relay-pairing-code',
  /** The settings file of that relay: console, authorities and proxy, which may hold a password. */
  'relay-settings',
  /** URLs of the site's proxy, which may hold a password; what is reached without it, comma-separated; empty: none. */
  'site-https-proxy',
  'site-http-proxy',
  'site-no-proxy',
  /** PEM certificates to trust besides the host's own. Not secret, known only on site; empty: none. */
  'site-authorities',
] as const;
export const MACHINE_FACTS = [
  /** The machine's address in the node subnet, and the interface that has it, as the machine itself reported them. */
  'node-address',
  'node-interface',
  'system-id',
  /** `https://host:port` of the relay that serves the document, and the PEM of the authority it is known by. */
  'relay-origin',
  'relay-authority',
  /** SHA-256 (hex) of the program that relay serves, and the machines it runs on, as `uname -m` says it. */
  'relay-program-sha256',
  'relay-program-architecture',
] as const;

export const SecretSlot = z.enum(SECRET_SLOTS);
export type SecretSlot = z.infer<typeof SecretSlot>;
export const MachineFactName = z.enum(MACHINE_FACTS);
export type MachineFactName = z.infer<typeof MachineFactName>;

const PLACEHOLDER = /\{\{(secret|fact):([a-z0-9-]+)\}\}/g;

function unknownPlaceholder(text: string): string | null {
  for (const [whole, kind, name] of text.matchAll(PLACEHOLDER)) {
    const known = kind === 'secret' ? SecretSlot.safeParse(name) : MachineFactName.safeParse(name);
    if (!known.success) return whole;
  }
  return null;
}

const Template = z
  .string()
  .max(262_144)
  .refine((text) => unknownPlaceholder(text) === null, 'names a slot that does not exist');

export const BootstrapFile = z.strictObject({
  path: z.string().regex(/^\/[^\0]{1,254}$/),
  mode: z.string().regex(/^0[0-7]{3}$/),
  content: Template,
});
export type BootstrapFile = z.infer<typeof BootstrapFile>;

export const BootstrapStep = z.strictObject({
  /** Shown to the user and reported back, such as `kubeadm-init`. */
  name: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/),
  /** Run by `bash -euo pipefail`; never holds a secret. */
  script: Template,
  timeoutSeconds: z.int().min(1).max(7_200),
  attempts: z.int().min(1).max(100).default(1),
  pauseSeconds: z.int().min(0).max(600).default(0),
  /** Run between failed attempts, such as `kubeadm reset` with the delivered CA files put back. */
  beforeRetry: Template.nullable().default(null),
});
export type BootstrapStep = z.infer<typeof BootstrapStep>;

export const BootstrapDocument = z.strictObject({
  v: z.literal(1),
  nodeName: z.string().max(63),
  /** The subnet whose address is the node's. */
  nodeSubnet: z.cidrv4(),
  files: z.array(BootstrapFile).max(200),
  steps: z.array(BootstrapStep).min(1).max(50),
});
export type BootstrapDocument = z.infer<typeof BootstrapDocument>;

/** `text` with every placeholder replaced. `fill` must know each name; it is asked for no other. */
export function fillTemplate(
  text: string,
  fill: (kind: 'secret' | 'fact', name: SecretSlot | MachineFactName) => string,
): string {
  return text.replace(PLACEHOLDER, (_whole, kind: string, name: string) =>
    kind === 'secret' ? fill('secret', SecretSlot.parse(name)) : fill('fact', MachineFactName.parse(name)),
  );
}

/** The secret slots a document uses. */
export function slotsUsed(document: BootstrapDocument): Set<SecretSlot> {
  return new Set(
    placeholdersOf(document).flatMap(([kind, name]) => (kind === 'secret' ? [SecretSlot.parse(name)] : [])),
  );
}

/** The facts a document uses. */
export function factsUsed(document: BootstrapDocument): Set<MachineFactName> {
  return new Set(
    placeholdersOf(document).flatMap(([kind, name]) => (kind === 'fact' ? [MachineFactName.parse(name)] : [])),
  );
}

function placeholdersOf(document: BootstrapDocument): [kind: string, name: string][] {
  const texts = [
    ...document.files.map((file) => file.content),
    ...document.steps.flatMap((step) => [step.script, step.beforeRetry ?? '']),
  ];
  return texts.flatMap((text) =>
    [...text.matchAll(PLACEHOLDER)].map(([, kind = '', name = '']): [string, string] => [kind, name]),
  );
}
