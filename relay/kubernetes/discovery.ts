// Where an object of any kind lives: asked of the API server, since a manifest may bring kinds of its own.
// (The library's own resolver writes the whole path in lower case, which breaks names that have capitals.)
import { z } from 'zod';
import { err, ok } from '../../shared/result.ts';
import { type ClusterConnection, unreachable } from './connection.ts';
import type { KubernetesCall, KubernetesObject } from './kubernetes-api.ts';

const ResourceList = z.object({
  resources: z.array(z.object({ name: z.string(), kind: z.string(), namespaced: z.boolean() })),
});
type Resource = z.infer<typeof ResourceList>['resources'][number];

export type Discovery = {
  /** KUBERNETES_REFUSED 404 when the kind is not served (yet): 0.4 s after a definition is established it is. */
  readonly pathOf: (object: KubernetesObject) => KubernetesCall<string>;
};

export function createDiscovery(connection: Pick<ClusterConnection, 'call'>): Discovery {
  const known = new Map<string, readonly Resource[]>();

  async function resourceOf(apiVersion: string, kind: string): KubernetesCall<Resource> {
    const isWanted = (resource: Resource): boolean => resource.kind === kind && !resource.name.includes('/');
    const remembered = known.get(apiVersion)?.find(isWanted);
    if (remembered !== undefined) return ok(remembered);
    const listed = await connection.call({ method: 'GET', path: rootOf(apiVersion) });
    if (!listed.ok) return listed;
    const list = ResourceList.safeParse(listed.value);
    if (!list.success) return err(unreachable(`${apiVersion} is listed in an unknown form`));
    known.set(apiVersion, list.data.resources);
    const found = list.data.resources.find(isWanted);
    if (found !== undefined) return ok(found);
    return err({
      code: 'KUBERNETES_REFUSED',
      status: 404,
      reason: 'NotFound',
      detail: `no kind ${kind} in ${apiVersion}`,
    });
  }

  return {
    pathOf: async (object) => {
      const resource = await resourceOf(object.apiVersion, object.kind);
      if (!resource.ok) return resource;
      const { name, namespaced } = resource.value;
      const space = namespaced ? `/namespaces/${encodeURIComponent(object.metadata.namespace ?? 'default')}` : '';
      return ok(`${rootOf(object.apiVersion)}${space}/${name}/${encodeURIComponent(object.metadata.name)}`);
    },
  };
}

const rootOf = (apiVersion: string): string => `/${apiVersion.includes('/') ? 'apis' : 'api'}/${apiVersion}`;
