// Zones, pools, tags, images and events as the API shows them.

import type { EventPage, LabEvent } from '../events.ts';
import type { Fields } from '../fields.ts';
import type { Image } from '../images.ts';
import type { Region } from '../region.ts';
import type { Pool, Tag, Zone } from '../zones-pools-tags.ts';

export const zoneJson = (zone: Zone) => ({ ...zone, resource_uri: `/MAAS/api/2.0/zones/${zone.name}/` });

/** The path of one pool is singular (maas.md §8). */
export const poolJson = (pool: Pool) => ({ ...pool, resource_uri: `/MAAS/api/2.0/resourcepool/${pool.id}/` });

export const tagJson = (tag: Tag) => ({
  name: tag.name,
  definition: '',
  comment: tag.comment,
  kernel_opts: tag.kernelOptions,
  resource_uri: `/MAAS/api/2.0/tags/${tag.name}/`,
});

/** An uploaded image is listed without its `custom/`. */
export function imageJson(image: Image) {
  const common = {
    id: image.id,
    type: image.uploaded ? 'Uploaded' : 'Synced',
    name: image.uploaded ? image.series : `${image.osystem}/${image.series}`,
    architecture: image.uploaded ? 'amd64/generic' : `amd64/${image.kernel}`,
    resource_uri: `/MAAS/api/2.0/boot-resources/${image.id}/`,
    last_deployed: image.lastDeployedMs === null ? null : new Date(image.lastDeployedMs).toISOString().slice(0, -1),
    title: image.title,
  };
  if (image.uploaded) return { ...common, subarches: 'generic', base_image: 'ubuntu/noble' };
  return { ...common, platform: 'generic', subarches: `generic,${image.kernel}`, supported_platforms: 'generic' };
}

export function eventPageJson(region: Region, page: EventPage, query: Fields) {
  const given = [...query].flatMap(([key, values]) => values.map((value) => [key, value] as const));
  const asked = given.filter(([key]) => key !== 'op' && key !== 'after' && key !== 'before');
  const start = ['op=query', ...asked.map(([key, value]) => `${key}=${encodeURIComponent(value)}`)].join('&');
  return {
    count: page.events.length,
    events: page.events.map((event) => eventJson(region, event)),
    next_uri: `/MAAS/api/2.0/events/?${start}&after=${page.afterId}`,
    prev_uri: `/MAAS/api/2.0/events/?${start}&before=${page.beforeId}`,
  };
}

const eventJson = (region: Region, event: LabEvent) => ({
  username: 'unknown',
  node: event.machine,
  hostname: region.machines.get(event.machine)?.hostname ?? '',
  id: event.id,
  level: event.level,
  created: longDate(event.createdMs),
  type: event.type,
  description: event.description,
});

/** `Sun, 22 Nov. 2026 10:02:01`, the way of the event log and of the subnets' address lists. */
export function longDate(ms: number): string {
  const [day = '', date = '', month = '', year = '', time = ''] = new Date(ms)
    .toUTCString()
    .replace(',', '')
    .split(' ');
  return `${day}, ${date} ${month}. ${year} ${time}`;
}
