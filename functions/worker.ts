// The edge's entry: requests go to the API, the cron sweep finds what was left behind, and the two object classes live here.
import { app } from './api/app.ts';
import { openTunnel, TUNNEL_PATH } from './api/tunnel.ts';
import type { Env } from './env.ts';
import { sweep } from './sweep.ts';

export { ClusterObject } from './objects/cluster-object.ts';
export { GatewayObject } from './objects/gateway-object.ts';

export default {
  fetch(request, env, context): Response | Promise<Response> {
    if (new URL(request.url).pathname === TUNNEL_PATH) return openTunnel(request, env);
    return app.fetch(request, env, context);
  },
  scheduled(_controller, env): Promise<void> {
    return sweep(env);
  },
} satisfies ExportedHandler<Env>;
