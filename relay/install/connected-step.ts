// Whether the relay is connected: by the console's word with an API key, else by the relay's own log.
import { ok } from '../../shared/result.ts';
import type { Identity } from '../identity.ts';
import { sleep } from '../ports.ts';
import type { HostWorld } from './host-install.ts';
import { problem, type Step, UNIT } from './host-service.ts';

/** A first connect takes a second; a slow name server or proxy some more. */
const CONNECTED_MS_MAX = 90_000;
const LOOK_MS = 1_000;

/** @param wait false: one look, and not being connected is no failure */
export async function untilConnected(
  { gatewayId }: Identity,
  { wait, startedAt }: { readonly wait: boolean; readonly startedAt: number },
  world: HostWorld,
): Step<boolean> {
  const { api, now, timers, system } = world;
  if (api === null && !wait) return ok(false);
  for (;;) {
    if (api !== null) {
      const gateway = await api.gateway(gatewayId);
      if (gateway.ok && gateway.value.phase === 'connected') return ok(true);
      if (!wait) return ok(false);
    } else {
      const since = `@${Math.floor(startedAt / 1_000)}`;
      const log = await system.run('journalctl', ['--unit', UNIT, '--output', 'cat', '--since', since]);
      if (!log.ok) return problem('connection', 'HOST_COMMAND_FAILED', log.error);
      if (log.value.includes('"event":"tunnel-serving"')) return ok(true);
    }
    if (now() - startedAt > CONNECTED_MS_MAX)
      return problem('connection', 'NOT_CONNECTED', `the relay is not connected after ${CONNECTED_MS_MAX / 1_000} s`);
    await sleep(timers, LOOK_MS);
  }
}
