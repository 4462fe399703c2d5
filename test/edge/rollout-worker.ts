// The Worker with one path more, on which a test asks a gateway's machines to run something else: POST /test/machines
// {clusterId, release}. The product asks its own object the same way when it upgrades a gateway.
import { z } from 'zod';
import { DEFAULT_SCOPE } from '../../functions/api/setup.ts';
import { clusterOf, type Env } from '../../functions/env.ts';
import worker from '../../functions/worker.ts';
import { ClusterId } from '../../shared/ids.ts';
import { MachinesRelease } from '../../shared/release.ts';

export { ClusterObject } from '../../functions/objects/cluster-object.ts';
export { GatewayObject } from '../../functions/objects/gateway-object.ts';

const Wish = z.strictObject({ clusterId: ClusterId, release: MachinesRelease });

export default {
  async fetch(request, env, context): Promise<Response> {
    if (new URL(request.url).pathname !== '/test/machines') return worker.fetch(request, env, context);
    const { clusterId, release } = Wish.parse(await request.json());
    const asked = await clusterOf(env, DEFAULT_SCOPE, clusterId).changeMachines(release);
    return asked.ok ? Response.json(asked.value) : Response.json(asked.error, { status: 409 });
  },
  scheduled: worker.scheduled,
} satisfies ExportedHandler<Env>;
