// observe-node: this node looks at itself and around itself as `doctor` does, and whether each account's key opens its MAAS (N8). It
// reads only, needs no lease, and takes nothing from the console but the accounts that other commands name too.
import type { AccountAccess, CommandFailure } from '../../shared/command.ts';
import { PROBE_MS_MAX } from '../../shared/limits.ts';
import { CHECK_DETAIL_MAX, NODE_CHECKS_MAX, NodeCheck } from '../../shared/node-check.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { Check, Reach } from '../doctor.ts';
import { MaasUser } from '../maas/client.ts';
import { normaliseEndpoint } from '../maas/endpoint.ts';
import { sleep } from '../ports.ts';
import type { CommandContext, Handler } from './handler.ts';

/** The probes of `doctor`. @param further MAAS endpoints to reach */
export type Diagnose = (further: readonly Reach[]) => Promise<readonly Check[]>;

export const observeNode =
  (diagnose: Diagnose): Handler<'observe-node'> =>
  async ({ accounts }, context) => {
    const keys = await Promise.all(
      accounts.map(async (account) => ({ account, tried: await tryKey(account, context) })),
    );
    const further = keys.flatMap(({ account, tried }) =>
      tried.ok || tried.error.code !== 'SITE_FORBIDS' ? reach(account) : [],
    );
    const found = [...(await diagnose(further)), ...keys.map(({ account, tried }) => keyCheck(account, tried))];
    return ok({ verb: 'observe-node', checks: found.flatMap(asTold).slice(0, NODE_CHECKS_MAX) });
  };

function reach({ endpoint, caBundlePem }: AccountAccess): Reach[] {
  const normal = normaliseEndpoint(endpoint);
  return normal.ok ? [{ endpoint: normal.value, caBundlePem }] : [];
}

/** Only those that the console knows, cut to what a frame takes. */
function asTold(check: Check): NodeCheck[] {
  const cut = (text: string): string => text.slice(0, CHECK_DETAIL_MAX);
  const told = NodeCheck.safeParse({ ...check, detail: cut(check.detail), todo: cut(check.todo) });
  return told.success ? [told.data] : [];
}

type Tried = Result<string, Pick<CommandFailure, 'code' | 'detail'>>;

/** The MAAS user that the key opens. */
async function tryKey(account: AccountAccess, context: CommandContext): Promise<Tried> {
  const maas = await context.maas(account);
  if (!maas.ok) return maas;
  const late = sleep(context.ports.timers, PROBE_MS_MAX, context.signal).then(
    (): Tried => err({ code: 'MAAS_UNREACHABLE', detail: `no answer within ${PROBE_MS_MAX / 1_000} s` }),
  );
  // Asked of MAAS each time: what the client remembers of the key says nothing of now.
  const call = { operation: 'users.whoami', path: 'users/', query: [['op', 'whoami']] as const, answer: MaasUser };
  const asked = maas.value.get(call).then((user): Tried => (user.ok ? ok(user.value.username) : user));
  return Promise.race([asked, late]);
}

const ADVICE: Readonly<Partial<Record<CommandFailure['code'], string>>> = {
  MAAS_UNAUTHORIZED: 'Make a new API key in MAAS, and give it to the account: PATCH /v1/cloud-accounts/{id}.',
  MAAS_CLOCK_SKEW: 'Turn on NTP on this host: MAAS refuses a clock that lags 300 s.',
  MAAS_FORBIDDEN: 'Give the MAAS user the right named.',
  SITE_FORBIDS: 'Add it to SLIPWAY_MAAS_ENDPOINTS of this relay, or correct the account.',
};

function keyCheck({ accountId, endpoint }: AccountAccess, tried: Tried): Check {
  const name = 'maas key';
  if (tried.ok) {
    return { name, status: 'ok', detail: `${accountId}: ${endpoint} takes its key, of user ${tried.value}`, todo: '' };
  }
  const { code, detail } = tried.error;
  const todo = ADVICE[code];
  const said = `${accountId}: ${endpoint}: ${code}: ${detail}`;
  // Out of reach, or no key here to try with: that says nothing of the account's key.
  return todo === undefined
    ? { name, status: 'skipped', detail: said, todo: '' }
    : { name, status: 'failed', detail: said, todo };
}
