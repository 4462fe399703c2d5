// The networks of pods and services, apart from each other and from the subnets of MAAS.
import { err, type Result } from '../../shared/result.ts';
import { askOrTake, type Surroundings, sayRefusal } from './asking.ts';
import type { Refusal } from './install-problem.ts';
import type { MaasSite } from './maas-site.ts';
import { type Networks, overlapsOf, readCidr } from './networks.ts';
import { PROMPTS } from './prompts.ts';

/** Suggested, as the built-in profile has them. */
const POD_CIDR = '10.244.0.0/16';
const SERVICE_IP_RANGE = '10.96.0.0/16';

export async function askNetworks(
  { prompts, flags }: Surroundings,
  again: readonly string[],
  earlier: Networks | null,
): Promise<Networks> {
  const ask = (field: keyof Networks, initial: string, pod: string | null): Promise<string> => {
    const flag = again.includes(field) ? undefined : flags[`network.${field}`];
    const read = (text: string): Result<string, Refusal> => {
      const cidr = readCidr(text);
      const overlap =
        cidr.ok && pod !== null ? overlapsOf({ podCidr: pod, serviceIpRange: cidr.value }, [])[0] : undefined;
      return overlap === undefined ? cidr : err(overlap);
    };
    return askOrTake(prompts, PROMPTS[field], flag, read, initial);
  };
  const kept = (field: keyof Networks): string | null =>
    earlier === null || again.includes(field) ? null : earlier[field];
  const podCidr = kept('podCidr') ?? (await ask('podCidr', earlier?.podCidr ?? POD_CIDR, null));
  const initial = earlier?.serviceIpRange ?? SERVICE_IP_RANGE;
  return { podCidr, serviceIpRange: kept('serviceIpRange') ?? (await ask('serviceIpRange', initial, podCidr)) };
}

/** Only MAAS knows its subnets: what overlaps one is asked again. */
export async function apartFromSubnets(
  world: Surroundings,
  given: Networks,
  { inventory }: MaasSite,
): Promise<Networks> {
  let networks = given;
  for (;;) {
    const overlaps = overlapsOf(networks, inventory.subnets);
    if (overlaps.length === 0) return networks;
    for (const overlap of overlaps) world.prompts.say(sayRefusal(overlap));
    const fields = overlaps.map(({ where }) => where.replace('network.', ''));
    networks = await askNetworks(world, fields, networks);
  }
}
