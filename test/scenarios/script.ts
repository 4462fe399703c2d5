// The language of scenarios: one act a line.
import type { SystemId } from '../../shared/ids.ts';
import { World } from '../plan/world.ts';
import { FATES } from '../plan/world-maas.ts';
import { aCluster, aMachine, machines } from '../support/builders.ts';

/** Carries out one line; the first must be `machines N`. */
export function runLine(world: World | null, line: string): World {
  const [act = '', ...words] = line.trim().split(/\s+/);
  if (act === 'machines') return new World(machines(Number(words[0])));
  if (world === null) throw new Error('begin with machines N');
  switch (act) {
    case 'create':
      return world.create(clusterOf(words).accepted());
    case 'to':
      return world.runToPhase(words[0] ?? '');
    case 'until': {
      const verb = words[0] ?? '';
      return world.run(() => world.sentVerbs(verb).length > 0);
    }
    case 'pass':
      return world.pass(Number(words[0]) * 1_000);
    case 'abort':
    case 'delete':
      world[act]();
      return world;
    case 'fate':
      world.maas.fates.set(machineOf(world, words[0]), FATES.parse(words[1]));
      return world;
    case 'break':
      return breakMachine(world, machineOf(world, words[0]));
    case 'add':
      for (const id of words) {
        world.maas.machines.set(id, aMachine(id));
        world.relay.noticed(id);
      }
      return world;
    default:
      throw new Error(`no such act: ${line}`);
  }
}

function clusterOf(words: readonly string[]) {
  const sizes = new Map(words.map((word) => [word.split('=')[0], Number(word.split('=')[1])]));
  const workers = sizes.get('workers') ?? 0;
  const builder = aCluster().withControlPlane(sizes.get('cp') ?? 1, { allowWorkloads: workers === 0 });
  return workers === 0 ? builder : builder.withWorkers(workers);
}

function machineOf(world: World, slot: string | undefined): SystemId {
  const systemId = world.view.machines.find((machine) => machine.slot === slot)?.systemId ?? null;
  if (systemId === null) throw new Error(`no machine in ${slot}`);
  return systemId;
}

function breakMachine(world: World, systemId: SystemId): World {
  world.relay.kubernetes.powerOff(systemId);
  world.maas.set(systemId, { status: 'broken', errorDescription: 'power supply' });
  world.pass(2_000);
  world.relay.noticed(systemId);
  return world;
}
