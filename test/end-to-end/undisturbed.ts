// What of a cluster no upgrade of its gateway may change.
import type { ClusterId } from '../../shared/ids.ts';
import type { ApiClient } from '../support/api-client.ts';
import type { ClusterStory } from './scene.ts';

/** Without MAAS's word of its machines: that they are deployed is often heard after they are Ready. */
export async function undisturbed(api: ApiClient, { timeline }: Pick<ClusterStory, 'timeline'>, id: ClusterId) {
  const { phase, generation, machines } = await api.cluster(id);
  const told = (await timeline(id)).filter(({ kind }) => kind !== 'gateway');
  return { phase, generation, machines: machines.map(({ maasStatus: _heard, ...machine }) => machine), told };
}
