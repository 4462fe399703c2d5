// The line between the lab's MAAS and what plays its machines. MAAS presses the power button and hands over what a real
// machine would learn from DHCP and TFTP; the driver boots "hardware", which must fetch its user-data over real HTTP.

import type { Result } from '../../shared/result.ts';
import type { Timings } from './inventory.ts';

/** The OAuth triple of one machine for the metadata service; not an API key. */
export type MetadataOauth = { readonly consumerKey: string; readonly tokenKey: string; readonly tokenSecret: string };

/** All a driver may know about the machine it boots. `metadataUrl` ends in `/MAAS/metadata`, without a slash. */
export type BootingMachine = {
  readonly systemId: string;
  readonly hostname: string;
  readonly fqdn: string;
  readonly address: string;
  readonly mac: string;
  readonly zone: string;
  readonly pool: string;
  readonly metadataUrl: string;
  readonly metadataOauth: MetadataOauth;
  readonly userData: Uint8Array;
  /** Milliseconds; already multiplied for a `slow-…` machine. */
  readonly timings: Timings;
};

export type DriverFailure = { readonly code: 'DRIVER_FAILED'; readonly detail: string };

/**
 * Plays the machines. `powerOn` answers once the machine is under way (not when it has booted); an error becomes
 * `Failed deployment`. `powerOff` answers once the machine is off; an error is a BMC that refused. Both may be repeated:
 * a machine already on or off is success. The lab gives each call 60 s.
 */
export type MachineDriver = {
  readonly name: string;
  powerOn(machine: BootingMachine): Promise<Result<void, DriverFailure>>;
  powerOff(systemId: string): Promise<Result<void, DriverFailure>>;
  status(systemId: string): Promise<'on' | 'off'>;
  /** The nodes of the Kubernetes it plays, as their API shows them; absent where nothing is played. */
  nodes?(): readonly PlayedNode[];
  /** Ends every machine and leaves nothing behind. */
  close(): Promise<void>;
};

export type PlayedNode = {
  readonly name: string;
  readonly kubeletVersion: string;
  /** Of its API server's static pod; null on a worker. */
  readonly apiServerImage: string | null;
};

/** A delay that the lab itself made, so that a demo can tell its own time from the machines'. Epoch milliseconds. */
export type LabDelay = {
  readonly machine: string;
  readonly kind: string;
  readonly startMs: number;
  readonly endMs: number;
};

/** What a driver gets when it is made. `argument` is the text after the colon of `--driver exec:PROGRAM`, else ''. */
export type DriverContext = {
  readonly argument: string;
  now(): number;
  recordDelay(delay: LabDelay): void;
  log(line: string): void;
};

/** Every driver module in `machines/` exports one of these under the name `createMachineDriver`. */
export type CreateMachineDriver = (context: DriverContext) => Promise<MachineDriver>;
