// Commands as a planner makes them, small and valid.
import { Claim } from '../../shared/claim.ts';
import { type AccountAccess, Command, type CommandBody, commandIdOf } from '../../shared/command.ts';
import { AccountId, ClusterId, GatewayId, ProjectId, type Scope, TenantId } from '../../shared/ids.ts';

export const SCOPE: Scope = {
  tenantId: TenantId.parse('ten_test'),
  projectId: ProjectId.parse('prj_test'),
  jurisdiction: 'default',
};
export const GATEWAY_ID = GatewayId.parse('gw_test');
export const CLUSTER_ID = ClusterId.parse('clu_test');

export const ACCOUNT: AccountAccess = {
  accountId: AccountId.parse('acc_test'),
  endpoint: 'http://maas.test:5240/MAAS',
  caBundlePem: null,
  sealedKey: {
    v: 1,
    purpose: 'maas-key',
    recordId: 'acc_test',
    version: 1,
    encapsulatedKey: 'AAAA',
    ciphertext: 'AAAA',
  },
};

export type SampleOptions = {
  readonly clusterId?: ClusterId | null;
  readonly gatewayId?: GatewayId;
  readonly owner?: string;
  readonly subject?: string;
  readonly generation?: number;
  readonly attempt?: number;
  readonly body?: CommandBody;
};

/** An `ensure-identity` unless told otherwise: no mutation, so no lease. */
export function aCommand(options: SampleOptions = {}): Command {
  const clusterId = options.clusterId === undefined ? CLUSTER_ID : options.clusterId;
  const { subject = 'cluster', generation = 1, attempt = 0, gatewayId = GATEWAY_ID } = options;
  const body = options.body ?? { verb: 'ensure-identity', clusterName: 'sample', existing: null };
  return Command.parse({
    commandId: commandIdOf(options.owner ?? clusterId ?? 'acc_test', subject, body.verb, generation, attempt),
    scope: SCOPE,
    gatewayId,
    clusterId,
    subject,
    generation,
    attempt,
    deadlineAt: 4_000_000_000_000,
    body,
  });
}

/** A mutation of one slot. */
export function aRelease(slot: string, options: SampleOptions = {}): Command {
  const claim = Claim.parse(`slipway/gw_test/clu_test/${slot}/1`);
  return aCommand({
    subject: slot,
    ...options,
    body: { verb: 'ensure-released', account: ACCOUNT, claim, systemId: null, erase: 'quick' },
  });
}
