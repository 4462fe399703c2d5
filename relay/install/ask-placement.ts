// Zone, flavour and number of nodes, with what the live MAAS has for each.
import { CUSTOM_MINIMUMS, describeFlavour, FLAVOURS, type Flavour, type Minimums, type Placement } from './flavour.ts';
import { fittingMachines, type MaasSite, readyIn } from './maas-site.ts';
import { PROMPTS, type Prompts } from './prompts.ts';

/** A zone of this name can't be: MAAS takes letters, digits and hyphens. */
const ANY_ZONE = '*';
const CUSTOM = 'custom';

export async function askPlacement(prompts: Prompts, site: MaasSite): Promise<Placement> {
  const chosen = await prompts.choose({
    message: PROMPTS.zone,
    choices: [
      { value: ANY_ZONE, name: `any zone: ${readyIn(site, null)} machines Ready` },
      ...site.inventory.zones.map((zone) => ({ value: zone, name: `${zone}: ${readyIn(site, zone)} machines Ready` })),
    ],
  });
  const zone = chosen === ANY_ZONE ? null : chosen;
  const flavour = await askFlavour(prompts, site, zone);
  const { fitting } = fittingMachines(site, { zone, flavour });
  const few = (nodes: number): string =>
    fitting.length < nodes ? `; only ${fitting.length} of its machines are Ready now` : '';
  const nodes = await prompts.choose<1 | 3>({
    message: PROMPTS.nodes,
    choices: [
      { value: 1, name: `1${few(1)}`, description: 'can grow to 3 later' },
      { value: 3, name: `3${few(3)}`, description: 'serves on when one is lost: for production' },
    ],
  });
  return { zone, flavour, nodes };
}

async function askFlavour(prompts: Prompts, site: MaasSite, zone: string | null): Promise<Flavour> {
  const fits = (flavour: Flavour): string =>
    `${fittingMachines(site, { zone, flavour }).fitting.length} machines Ready`;
  const presets = (['small', 'medium', 'large'] as const).map((name) => ({
    value: name,
    name: `${name} (${describeFlavour(name)}): ${fits(name)}`,
  }));
  const chosen = await prompts.choose<keyof typeof FLAVOURS | typeof CUSTOM>({
    message: PROMPTS.flavour,
    choices: [...presets, { value: CUSTOM, name: 'custom: other numbers' }],
    initial: 'medium',
  });
  if (chosen !== CUSTOM) return chosen;
  const custom = {
    cpuCores: await askNumber(prompts, 'cpuCores'),
    memoryMiB: await askNumber(prompts, 'memoryMiB'),
    diskGB: await askNumber(prompts, 'diskGB'),
  };
  prompts.say(`  ${describeFlavour(custom)}: ${fits(custom)}`);
  return custom;
}

async function askNumber(prompts: Prompts, field: keyof Minimums): Promise<number> {
  const least = CUSTOM_MINIMUMS[field];
  const typed = await prompts.text({
    message: PROMPTS[field],
    initial: String(FLAVOURS.small[field]),
    check: async (text) =>
      (/^\d{1,8}$/.test(text.trim()) && Number(text) >= least) ||
      `is not a whole number from ${least} on (FLAVOUR_INVALID)`,
  });
  return Number(typed);
}
