// `install -o true`: the questions, in the seed's order. Every answer is checked as it is given, and what only the console or
// MAAS can know is asked of them at once.
import { askConsole, type Joining } from './ask-console.ts';
import { askMaas, type Maas } from './ask-maas.ts';
import { apartFromSubnets, askNetworks } from './ask-networks.ts';
import { askPlacement } from './ask-placement.ts';
import { by, type Surroundings } from './asking.ts';
import type { Placement } from './flavour.ts';
import type { Networks } from './networks.ts';
import { PROMPTS, type Prompts } from './prompts.ts';
import { readName } from './read-answer.ts';

export type Answers = Joining &
  Networks &
  Omit<Maas, 'site'> & { readonly placement: Placement; readonly name: string };

export async function interview(world: Surroundings): Promise<Answers> {
  const { prompts } = world;
  prompts.say('Secrets are shown as stars; env:NAME or file:/path is taken in their place.\n');
  const joining = await askConsole(world);
  const networks = await askNetworks(world, [], null);
  const { site, ...maas } = await askMaas(world);
  const apart = await apartFromSubnets(world, networks, site);
  const placement = await askPlacement(prompts, site);
  const name = await askName(prompts, '');
  return { ...joining, ...apart, ...maas, placement, name };
}

export async function askName(prompts: Prompts, initial: string): Promise<string> {
  return prompts.text({ message: PROMPTS.name, ...(initial === '' ? {} : { initial }), check: by(readName) });
}
