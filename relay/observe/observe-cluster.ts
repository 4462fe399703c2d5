// observe-cluster: stands until superseded (C6) and pushes what changes of a cluster's machines and of its Kubernetes.
import type { ClusterAccess } from '../../shared/command.ts';
import type { AccountId, SystemId } from '../../shared/ids.ts';
import { err } from '../../shared/result.ts';
import { type CommandContext, type Handler, stopped } from '../commands/handler.ts';
import type { Log } from '../log.ts';
import type { Ports } from '../ports.ts';
import { type AccountPoll, createAccountPoll } from './account-poll.ts';

/** Watches the Kubernetes API of one cluster until the context's signal is aborted. */
export type WatchKubernetes = (access: ClusterAccess, context: CommandContext) => Promise<void>;

export type AccountPolls = {
  readonly of: (accountId: AccountId) => AccountPoll;
  readonly touched: (accountId: AccountId, systemId: SystemId) => void;
};

/** Bounded by the accounts of a gateway. */
export function createAccountPolls(ports: Ports, log: Log, period?: () => number): AccountPolls {
  const polls = new Map<AccountId, AccountPoll>();
  const of = (accountId: AccountId): AccountPoll => {
    const poll = polls.get(accountId) ?? createAccountPoll(ports, log.with({ accountId }), period);
    polls.set(accountId, poll);
    return poll;
  };
  return { of, touched: (accountId, systemId) => of(accountId).touched(systemId) };
}

/**
 * Fails only when it can't begin: the secret can't be opened, or the site forbids. A MAAS that is away is waited for. It never
 * succeeds: stopped is not settled, since the command may stand on at the relay that leads now.
 */
export function createObserveCluster(
  polls: AccountPolls,
  watchKubernetes: WatchKubernetes,
): Handler<'observe-cluster'> {
  return async (body, context) => {
    const maas = await context.maas(body.account);
    if (!maas.ok) return maas;
    const { machines, inventory, access } = body;
    const { emit, signal } = context;
    const unwatch = polls.of(body.account.accountId).watch(maas.value, { machines, inventory, emit });
    const kubernetes = access === null ? Promise.resolve() : watchKubernetes(access, context);
    await Promise.all([aborted(signal), kubernetes]);
    unwatch();
    return err(stopped);
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
