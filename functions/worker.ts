// The edge's entry: requests go to the API, the cron sweep pokes what is overdue, and the two object classes live here.
import type { Env } from './env.ts';

export { ClusterObject } from './objects/cluster-object.ts';
export { GatewayObject } from './objects/gateway-object.ts';

export default {
  async fetch(_request: Request, _env: Env): Promise<Response> {
    return new Response('not yet', { status: 503 });
  },
} satisfies ExportedHandler<Env>;
