// What the installer asks of the console with an API key. Answers are read leniently: only what is used here.
import { z } from 'zod';
import { WhoAmI } from '../../shared/api-key.ts';
import { ClusterPhase, SlotPhase } from '../../shared/cluster-view.ts';
import { NodeState } from '../../shared/gateway-key.ts';
import { AccountId, GatewayId, RelayNodeId } from '../../shared/ids.ts';
import { PairingCode } from '../../shared/pairing.ts';
import { Problem } from '../../shared/problem.ts';
import type { AccountSharing } from '../../shared/project.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { Refusal } from './install-problem.ts';

/** One call with a bearer token. Never throws; the failure is told in words. */
export type CallConsole = (call: {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly bearer: string;
  readonly body?: unknown;
  /** So that a lost answer costs nothing. */
  readonly repeatKey?: string;
}) => Promise<Result<{ readonly status: number; readonly body: unknown }, { readonly detail: string }>>;

const Machine = z.object({
  slot: z.string(),
  hostname: z.string().nullable(),
  systemId: z.string().nullable(),
  phase: SlotPhase,
});
const Machines = z.object({
  phase: ClusterPhase,
  waitingOn: z.array(z.object({ sentence: z.string() })),
  machines: z.array(Machine),
});
const Gateway = z.object({
  id: GatewayId,
  name: z.string(),
  phase: z.string(),
  /** A console of before knows of none. */
  machines: Machines.nullable().default(null),
  nodes: z.array(z.object({ nodeId: RelayNodeId, state: NodeState, connected: z.boolean() })).default([]),
});
export type Gateway = z.infer<typeof Gateway>;
const CodeMade = z.object({ pairingCode: PairingCode });
const GatewayMade = z.object({ ...Gateway.shape, ...CodeMade.shape });
const Account = z.object({ id: AccountId, name: z.string(), gatewayId: GatewayId });
const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), nextCursor: z.string().nullable() });

/** Of 200 things each: far beyond any tenant. */
const PAGES_MAX = 50;

export type ConsoleFailure = Refusal & { readonly problem: string | null };
type Asked<T> = Promise<Result<T, ConsoleFailure>>;

export type ConsoleApi = ReturnType<typeof createConsoleApi>;

/** @param origin of the console */
export function createConsoleApi(origin: string, apiKey: string, call: CallConsole) {
  const ask = async <T>(
    answer: z.ZodType<T>,
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    more: { body?: unknown; repeatKey?: string } = {},
  ): Asked<T> => {
    const url = `${origin}${path}`;
    const answered = await call({ method, url, bearer: apiKey, ...more });
    if (!answered.ok) return failed('CONSOLE_UNREACHABLE', answered.error.detail);
    const { status, body } = answered.value;
    if (status < 200 || status > 299) return refused(status, body);
    const parsed = answer.safeParse(body);
    return parsed.success ? ok(parsed.data) : failed('CONSOLE_REFUSED', `${url} answered in a form not known here`);
  };
  const find = async <T>(item: z.ZodType<T>, path: string, fits: (one: T) => boolean): Asked<T | null> => {
    let cursor: string | null = '';
    for (let page = 0; page < PAGES_MAX && cursor !== null; page += 1) {
      const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const listed = await ask(pageOf(item), 'GET', `${path}?limit=200${query}`);
      if (!listed.ok) return listed;
      const found = listed.value.items.find(fits);
      if (found !== undefined) return ok(found);
      cursor = listed.value.nextCursor;
    }
    return ok(null);
  };
  return {
    whoAmI: () => ask(WhoAmI.pick({ name: true, role: true }).loose(), 'GET', '/v1/whoami'),
    createGateway: (name: string, repeatKey: string) =>
      ask(GatewayMade, 'POST', '/v1/gateways', { body: { name }, repeatKey }),
    gatewayNamed: (name: string) => find(Gateway, '/v1/gateways', (gateway) => gateway.name === name),
    gateway: (id: GatewayId) => ask(Gateway, 'GET', `/v1/gateways/${id}`),
    /** `gone`: at once, or long ago. `deleting`: its machines are given back first. May be repeated. */
    deleteGateway: async (id: GatewayId): Asked<'gone' | 'deleting'> => {
      const asked = await ask(z.unknown(), 'DELETE', `/v1/gateways/${id}`);
      if (!asked.ok) return asked.error.problem === 'NOT_FOUND' ? ok('gone') : asked;
      return ok(Gateway.safeParse(asked.value).success ? 'deleting' : 'gone');
    },
    newCode: (id: GatewayId) => ask(CodeMade, 'POST', `/v1/gateways/${id}/pairing-code`),
    accountNamed: (name: string) => find(Account, '/v1/cloud-accounts', (account) => account.name === name),
    createAccount: (account: {
      name: string;
      gatewayId: GatewayId;
      endpoint: string;
      apiKey: string;
      caBundlePem: string | null;
      sharing?: AccountSharing;
    }) => ask(Account, 'POST', '/v1/cloud-accounts', { body: account }),
  };
}

function refused(status: number, body: unknown): Result<never, ConsoleFailure> {
  const problem = Problem.safeParse(body);
  if (!problem.success)
    return failed('CONSOLE_REFUSED', `answered with status ${status} and nothing a console would say`);
  const { code, detail, todo, errors } = problem.data;
  const fields = (errors ?? []).map(({ field, message }) => `; ${field} ${message}`).join('');
  const said = { detail: `${detail}${fields} (${code})`, todo, problem: code };
  switch (code) {
    case 'UNAUTHENTICATED':
    case 'FORBIDDEN':
      return err({ code: 'API_KEY_REFUSED', ...said });
    case 'GATEWAY_NAME_TAKEN':
    case 'ACCOUNT_NAME_TAKEN':
      return err({ code, ...said });
    case 'GATEWAY_HAS_CLUSTERS':
      return err({ code, ...said, detail: `${said.detail}${clustersOf(body)}` });
    default:
      return err({ code: 'CONSOLE_REFUSED', ...said });
  }
}

const Clusters = z.object({ clusters: z.array(z.object({ id: z.string(), name: z.string() })) });

/** By name, so that the person knows which to delete. */
function clustersOf(body: unknown): string {
  const named = Clusters.safeParse(body);
  return named.success ? `: ${named.data.clusters.map(({ name, id }) => `${name} (${id})`).join(', ')}` : '';
}

const failed = (code: 'CONSOLE_UNREACHABLE' | 'CONSOLE_REFUSED', detail: string): Result<never, ConsoleFailure> =>
  err({ code, detail, problem: null });
