// A gateway on a clock that the test moves, with releases to upgrade to.
import { ClusterId } from '../../shared/ids.ts';
import type { ReleaseManifest } from '../../shared/release.ts';
import { aCommand } from './command-samples.ts';
import type { BenchNode, BenchSocket, GatewayBench } from './gateway-bench.ts';

export function published(version: string, more: Partial<ReleaseManifest> = {}) {
  const programs = [{ platform: 'linux-x64', sha256: '0'.repeat(64), sizeBytes: 5 }];
  const manifest = { v: 1, version, severity: 'high', changes: ['Mends a leak.'], programs, machines: null, ...more };
  return { release: { manifest: JSON.stringify(manifest), signature: 's'.repeat(86) }, publishedAt: 7 };
}

export const ask = (
  bench: GatewayBench,
  version = '0.2.0',
  window: { startsAt: number; endsAt: number } | null = null,
) => bench.logic.requestUpgrade({ published: published(version), window, actor: 'tester' });

export const lines = async (bench: GatewayBench): Promise<string[]> =>
  (await bench.logic.timeline(0, 200)).map(({ message }) => message);

/** The exchange that this socket was sent last. */
export const exchangeOn = (socket: BenchSocket) =>
  socket.delivered().findLast(({ body }) => body.verb === 'ensure-relay-program');

/** What the relay engineer's half does: the new process dials in the old one's place and answers the command. */
export async function exchange(bench: GatewayBench, node: BenchNode, joinCounter: number): Promise<BenchSocket> {
  const socket = await bench.join(node, joinCounter, `boot-${joinCounter}`, { relayVersion: '0.2.0' });
  const command = exchangeOn(socket);
  if (command === undefined) return socket;
  const outcome = { ok: true, value: { verb: 'ensure-relay-program', version: '0.2.0' } } as const;
  await bench.say(socket, { type: 'report', commandId: command.commandId, outcome, epoch: null });
  return socket;
}

export const clusterCommand = (name: string) => aCommand({ clusterId: ClusterId.parse(`clu_${name}`) });
