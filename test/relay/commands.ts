// Commands as the edge would send them, for tests.
import { claimOf } from '../../shared/claim.ts';
import { type BodyOf, Command, type CommandBody, commandIdOf } from '../../shared/command.ts';
import { ClusterId, SlotId } from '../../shared/ids.ts';
import type { MachineRequirements } from '../../shared/machine.ts';
import type { SealedSecret } from '../../shared/sealed-secret.ts';
import { GATEWAY, SCOPE } from '../support/fake-edge.ts';

export const CLUSTER = ClusterId.parse('clu_a');
export const SLOT = SlotId.parse('workers-0');
export const CLAIM = claimOf({ gatewayId: GATEWAY, clusterId: CLUSTER, slot: SLOT, attempt: 1 });

export const NO_SECRET: SealedSecret = {
  v: 1,
  purpose: 'maas-key',
  recordId: 'acc_a',
  version: 1,
  encapsulatedKey: 'AA',
  ciphertext: 'AA',
};

export const ACCOUNT = {
  accountId: 'acc_a',
  endpoint: 'http://127.0.0.1:1/MAAS',
  sealedKey: NO_SECRET,
  caBundlePem: null,
};

export const ANYTHING: MachineRequirements = {
  minimums: { cpuCores: 1, memoryMiB: 256, diskGB: 1 },
  resourcePool: null,
  zones: [],
  tags: [],
  notTags: [],
  systemIds: [],
  architecture: 'amd64',
};

type Options = {
  subject?: string;
  generation?: number;
  attempt?: number;
  deadlineAt?: number;
  clusterId?: string | null;
};

export function commandOf(body: unknown, options: Options = {}): Command {
  const { subject = SLOT, generation = 1, attempt = 1, deadlineAt = Number.MAX_SAFE_INTEGER } = options;
  const clusterId = options.clusterId === undefined ? CLUSTER : options.clusterId;
  const { verb } = body as { verb: CommandBody['verb'] }; // checked by the parse below
  return Command.parse({
    commandId: commandIdOf(clusterId ?? 'acc_a', subject, verb, generation, attempt),
    scope: SCOPE,
    gatewayId: GATEWAY,
    clusterId,
    subject,
    generation,
    attempt,
    deadlineAt,
    body,
  });
}

export function identityCommand(options?: Options): Command {
  return commandOf(
    { verb: 'ensure-identity', clusterName: 'demo', existing: null },
    { subject: 'cluster', ...options },
  );
}

export function allocateBody(account: unknown, candidates: string[], more: Partial<BodyOf<'ensure-allocated'>> = {}) {
  return { verb: 'ensure-allocated', account, claim: CLAIM, candidates, requirements: ANYTHING, ...more };
}
