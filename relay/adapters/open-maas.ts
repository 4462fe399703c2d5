// A MAAS account for the installer, over the real transport. Reached directly, as the relay reaches it.
import { err, ok, type Result } from '../../shared/result.ts';
import type { Refusal } from '../install/install-problem.ts';
import { refusalOf } from '../install/maas-site.ts';
import { createMaasClient, type MaasClient } from '../maas/client.ts';
import { createRegionGates } from '../maas/request-gate.ts';
import { createUndiciTransport } from '../maas/undici-transport.ts';
import type { Ports } from '../ports.ts';

export type MaasAccount = { readonly endpoint: string; readonly apiKey: string; readonly caPem: string | null };
export type WithMaas = <T>(
  account: MaasAccount,
  use: (maas: MaasClient) => Promise<Result<T, Refusal>>,
) => Promise<Result<T, Refusal>>;

/** Opens, uses and closes. */
export function createWithMaas({ clock, random }: Ports): WithMaas {
  return async ({ endpoint, apiKey, caPem }, use) => {
    const trust = caPem === null ? ({ kind: 'system' } as const) : ({ kind: 'ca', pem: caPem } as const);
    const transport = createUndiciTransport({ trust, proxyUrl: null });
    try {
      const client = createMaasClient({
        endpoint,
        apiKey,
        transport: transport.send,
        gateOf: createRegionGates(clock.monotonicMs),
        now: clock.now,
        random: random.fraction,
      });
      return client.ok ? await use(client.value) : err(refusalOf(client.error));
    } finally {
      await transport.close();
    }
  };
}

/** The time of the MAAS by its own answer, null when it gives none. */
export async function maasTime(
  { endpoint, caPem }: MaasAccount,
  timeoutMs: number,
): Promise<Result<number | null, string>> {
  const trust = caPem === null ? ({ kind: 'system' } as const) : ({ kind: 'ca', pem: caPem } as const);
  const transport = createUndiciTransport({ trust, proxyUrl: null });
  const url = `${endpoint}/api/2.0/version/`;
  const answer = await transport.send({ method: 'GET', url, headers: {}, timeoutMs });
  await transport.close();
  if (!answer.ok) return err(answer.error.detail);
  const at = Date.parse(answer.value.headers.date ?? '');
  return ok(Number.isNaN(at) ? null : at);
}
