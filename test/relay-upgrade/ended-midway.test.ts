// The former process ends in the middle of an exchange, in order or not: nothing is left running, and the next start serves.
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ACCOUNT, commandOf } from '../relay/commands.ts';
import { eachScene, type Scene, STAGE_MS_MAX } from './scene.ts';

const scene = eachScene();

/** A MAAS that does not answer before it is told to: whoever asked it is at no safe point. */
let maas: Server;
const asking = new Set<Socket>();
beforeAll(async () => {
  maas = createServer((socket) => {
    asking.add(socket);
    socket.on('error', () => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(maas, 'listening');
});
afterAll(() => void maas.close());

type Stage = {
  readonly name: 'fetch' | 'trial' | 'hand-over' | 'watch';
  /** Lets the exchange get so far, and no farther. */
  readonly reach: (scene: Scene, logged: (event: string) => Promise<unknown>) => Promise<unknown>;
};

const STAGES: readonly Stage[] = [
  {
    name: 'fetch',
    reach: ({ edge }) => {
      for (const path of edge.manners.programs.keys())
        edge.manners.programs.set(path, (response) => void response.write('a part'));
      return edge.until('the fetch', () => edge.fetched.length > 0, STAGE_MS_MAX);
    },
  },
  {
    name: 'trial',
    reach: ({ edge }) => {
      edge.manners.welcomesTrials = false;
      return edge.until('the trial', () => edge.trials.length > 0, STAGE_MS_MAX);
    },
  },
  {
    name: 'hand-over',
    reach: async ({ edge }, logged) => {
      const { address, port } = addressOf(maas);
      const sealedKey = await edge.seal({ purpose: 'maas-key', recordId: 'acc_a', version: 1 }, 'a:b:c');
      const account = { ...ACCOUNT, endpoint: `http://${address}:${port}/MAAS`, sealedKey };
      const slow = commandOf({ verb: 'observe-account', account }, { clusterId: null, subject: 'account' });
      edge.manners.outstanding = [...edge.manners.outstanding, slow.commandId];
      await edge.deliver([slow]);
      return logged('program-hand-over');
    },
  },
  { name: 'watch', reach: ({ edge }) => edge.until('the successor', () => edge.sessions() > 1, STAGE_MS_MAX) },
];

const ENDS = STAGES.flatMap((stage) =>
  (['SIGTERM', 'SIGKILL'] as const).map((signal) => ({ ...stage, signal, stage: stage.name })),
);

test.for(ENDS)(
  '$signal while in $stage ends both, and the next start serves',
  { timeout: 4 * STAGE_MS_MAX },
  async ({ name, reach, signal }) => {
    const { edge, start, release, answers, version, running } = scene();
    const relay = start({ heartbeatMs: 120_000 });
    await edge.connected(1, STAGE_MS_MAX);
    const command = await release('0.2.0');
    const reached = reach(scene(), (event) => relay.logged(event, STAGE_MS_MAX));
    edge.manners.outstanding = [...edge.manners.outstanding, command.commandId];
    await edge.deliver([command]);
    await reached;
    relay.kill(signal);
    if (name === 'hand-over') for (const socket of asking) socket.destroy();
    expect(await relay.ended).toBe(signal === 'SIGTERM' ? 0 : 'SIGKILL');
    await vi.waitFor(() => expect(running()).toEqual([]), { timeout: STAGE_MS_MAX });
    // The console has given it up meanwhile.
    edge.manners.outstanding = [];
    const before = edge.sessions();
    start();
    await edge.connected(before + 1, STAGE_MS_MAX);
    await answers(1);
    expect(version()).toBe('0.1.0');
  },
);

function addressOf(server: Server): { address: string; port: number } {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  return address;
}
