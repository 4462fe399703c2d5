// The images that can be deployed, and how `distro_series` and `hwe_kernel` are read (maas.md §5.2, §8).

import { ok } from '../../../shared/result.ts';
import type { InventoryImage } from '../inventory.ts';
import { invalid, type Outcome } from './refusal.ts';
import { nextId, type Region } from './region.ts';

/** One row of boot-resources: an image with one kernel. An uploaded image has one row. */
export type Image = {
  readonly id: number;
  readonly osystem: string;
  readonly series: string;
  readonly title: string;
  readonly kernel: string;
  readonly uploaded: boolean;
  lastDeployedMs: number | null;
};

export function addImage(region: Region, from: InventoryImage): void {
  const [osystem = '', series = ''] = from.name.split('/');
  const uploaded = osystem === 'custom';
  for (const kernel of uploaded ? from.kernels.slice(0, 1) : from.kernels) {
    region.images.push({
      id: nextId(region, 'image'),
      osystem,
      series,
      title: from.title,
      kernel,
      uploaded,
      lastDeployedMs: null,
    });
  }
}

export type System = { readonly osystem: string; readonly series: string; readonly kernel: string };

/**
 * Reads `distro_series` (`noble`, `ubuntu/noble`, `k8s-node`, `custom/k8s-node`, absent: the site's default) and
 * `hwe_kernel` (absent: the image's first).
 */
export function chooseSystem(region: Region, series: string | undefined, kernel: string | undefined): Outcome<System> {
  const wanted = series === undefined || series === '' ? String(region.config.get('default_distro_series')) : series;
  const rows = region.images.filter(
    (image) => image.series === wanted || `${image.osystem}/${image.series}` === wanted,
  );
  const first = rows[0];
  if (!first) {
    const names = new Set(region.images.map((image) => `${image.osystem}/${image.series}`));
    const choices = ['', ...[...names].sort()].map((choice) => `'${choice}'`).join(', ');
    return invalid({ distro_series: [`'${wanted}' is not a valid distro_series.  It should be one of: ${choices}.`] });
  }
  const { osystem, series: chosen } = first;
  if (kernel === undefined || kernel === '') return ok({ osystem, series: chosen, kernel: first.kernel });
  if (rows.some((image) => image.kernel === kernel)) return ok({ osystem, series: chosen, kernel });
  return invalid({ hwe_kernel: [`${kernel} is not available for ${osystem}/${chosen} on amd64/generic.`] });
}

export function markDeployed(region: Region, system: { osystem: string; distroSeries: string }): void {
  for (const image of region.images) {
    if (image.osystem === system.osystem && image.series === system.distroSeries)
      image.lastDeployedMs = region.ports.now();
  }
}
