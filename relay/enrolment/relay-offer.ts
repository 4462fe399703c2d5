// What a relay offers the machines of its own gateway, so that each of them runs a relay too: the program, its settings, and a
// one-time pairing code. It fills the slots of a bootstrap document that names them.
import type { Readable } from 'node:stream';
import type { BootstrapDocument, MachineFactName, SecretSlot } from '../../shared/bootstrap.ts';
import { factsUsed, slotsUsed } from '../../shared/bootstrap.ts';
import type { Claim } from '../../shared/claim.ts';
import type { PairingCode } from '../../shared/pairing.ts';
import { ok, type Result } from '../../shared/result.ts';

type Tried<T> = Promise<Result<T, { readonly detail: string }>>;

export type Program = {
  /** A machine takes an executable only; `javascript` is what a relay that runs from its sources can offer, for a lab. */
  readonly kind: 'executable' | 'javascript';
  readonly sizeBytes: number;
  /** SHA-256, hex. */
  readonly sha256: string;
  /** As `uname -m` says it. */
  readonly architecture: string;
  readonly open: () => Readable;
};

export type RelayOffer = {
  /** A code that the edge knows for the relay of this claim. */
  readonly mintPairingCode: (claim: Claim) => Tried<PairingCode>;
  /** The text of the settings file for a machine with this address, of a gateway with this virtual one. */
  readonly settingsFor: (nodeAddress: string, virtualAddress: string) => string;
  /** The authority that a machine pins which checks this name. */
  readonly authorityPem: (serverName: string) => Promise<string>;
  /** `host:port` where machines reach this relay. */
  readonly addresses: () => readonly string[];
  /** Read once. */
  readonly program: () => Tried<Program>;
};

const SECRETS = ['relay-pairing-code', 'relay-settings'] as const satisfies readonly SecretSlot[];
const FACTS = [
  'relay-origin',
  'relay-authority',
  'relay-program-sha256',
  'relay-program-architecture',
] as const satisfies readonly MachineFactName[];
export type RelaySlots = Readonly<Record<(typeof SECRETS)[number] | (typeof FACTS)[number], string>>;

export const NO_RELAY_SLOTS: RelaySlots = {
  'relay-pairing-code': '',
  'relay-settings': '',
  'relay-origin': '',
  'relay-authority': '',
  'relay-program-sha256': '',
  'relay-program-architecture': '',
};

/** A workload's document names none of them. */
export function namesRelay(document: BootstrapDocument): boolean {
  const [secrets, facts] = [slotsUsed(document), factsUsed(document)];
  return SECRETS.some((name) => secrets.has(name)) || FACTS.some((name) => facts.has(name));
}

/**
 * @param machine `reached` is the address at which it found this relay. The virtual address may be another relay's by the time
 *   the program is fetched, with another program: the first of our own is given instead
 */
export async function relaySlots(
  offer: RelayOffer,
  machine: {
    readonly claim: Claim;
    readonly address: string;
    readonly virtualAddress: string;
    readonly reached: string;
    readonly serverName: string;
  },
): Tried<RelaySlots> {
  const program = await offer.program();
  if (!program.ok) return program;
  // Last: the edge keeps few of them that are not used.
  const code = await offer.mintPairingCode(machine.claim);
  if (!code.ok) return code;
  return ok({
    'relay-pairing-code': code.value,
    'relay-settings': offer.settingsFor(machine.address, machine.virtualAddress),
    'relay-origin': `https://${addressFor(offer.addresses(), machine)}`,
    'relay-authority': await offer.authorityPem(machine.serverName),
    'relay-program-sha256': program.value.sha256,
    'relay-program-architecture': program.value.architecture,
  });
}

/** The machine has just reached one of our addresses; behind translation it is none that we know. */
function addressFor(
  addresses: readonly string[],
  { reached, virtualAddress }: { readonly reached: string; readonly virtualAddress: string },
): string {
  const own = addresses.filter((address) => !address.startsWith(`${virtualAddress}:`));
  return own.find((address) => address.startsWith(`${reached}:`)) ?? own[0] ?? '';
}
