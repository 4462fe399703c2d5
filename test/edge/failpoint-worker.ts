// The Worker with failpoints around its objects, for `npm run chaos`. The classes are the product's own; these only stand
// around their entries, and around what one object's call of another answers. Armed by FAILPOINT (`name:pass`): at that pass
// FAILPOINT_URL is told, and nothing goes on, until whoever listens there has killed this process.
import type { Env } from '../../functions/env.ts';
import { ClusterObject as Cluster } from '../../functions/objects/cluster-object.ts';
import { GatewayObject as Gateway } from '../../functions/objects/gateway-object.ts';
import worker from '../../functions/worker.ts';
import type { EdgeFailpoint } from '../chaos/edge-failpoints.ts';

type ChaosEnv = Env & { readonly FAILPOINT?: string; readonly FAILPOINT_URL?: string };

let passes = 0;

async function reach(env: ChaosEnv, point: EdgeFailpoint): Promise<void> {
  const { FAILPOINT = '', FAILPOINT_URL = '' } = env;
  const [name, pass = '1'] = FAILPOINT.split(':');
  if (name !== point || FAILPOINT_URL === '') return;
  passes += 1;
  if (passes !== Number(pass)) return;
  // Outgoing, so it leaves only when everything written so far is on disk (the output gate).
  await fetch(`${FAILPOINT_URL}/${point}`);
  await new Promise(() => {});
}

async function around<T>(
  env: ChaosEnv,
  points: { readonly before?: EdgeFailpoint; readonly after?: EdgeFailpoint },
  work: () => Promise<T>,
): Promise<T> {
  if (points.before !== undefined) await reach(env, points.before);
  const done = await work();
  if (points.after !== undefined) await reach(env, points.after);
  return done;
}

/** What a call of an object of `namespace` answers passes a point before the caller has it. */
function answering(env: ChaosEnv, namespace: DurableObjectNamespace, points: Readonly<Record<string, EdgeFailpoint>>) {
  const stubOf = (stub: DurableObjectStub): DurableObjectStub =>
    new Proxy(stub, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        const after = typeof name === 'string' ? points[name] : undefined;
        const call = (...given: unknown[]): Promise<unknown> => Reflect.apply(value, target, given);
        return after === undefined ? call : (...given: unknown[]) => around(env, { after }, () => call(...given));
      },
    });
  return new Proxy(namespace, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name === 'getByName') return (text: string) => stubOf(target.getByName(text));
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

export class ClusterObject extends Cluster {
  readonly #chaos: ChaosEnv;

  constructor(ctx: DurableObjectState, env: ChaosEnv) {
    super(ctx, { ...env, GATEWAY: answering(env, env.GATEWAY, { enqueue: 'after-enqueue-answer' }) });
    this.#chaos = env;
  }

  override alarm(): Promise<void> {
    return around(this.#chaos, { before: 'before-cluster-alarm', after: 'after-cluster-alarm' }, () => super.alarm());
  }

  override create(creation: Parameters<Cluster['create']>[0]) {
    const points = { before: 'before-cluster-create', after: 'after-cluster-create' } as const;
    return around(this.#chaos, points, () => super.create(creation));
  }

  override report(...given: Parameters<Cluster['report']>) {
    const points = { before: 'before-cluster-report', after: 'after-cluster-report' } as const;
    return around(this.#chaos, points, () => super.report(...given));
  }

  override requestDeletion(actor: string) {
    return around(this.#chaos, { after: 'after-cluster-deletion' }, () => super.requestDeletion(actor));
  }

  override requestAbort(actor: string) {
    return around(this.#chaos, { after: 'after-cluster-abort' }, () => super.requestAbort(actor));
  }

  override gatewayConnected(connected: boolean, ahead?: number | null) {
    return around(this.#chaos, { after: 'after-cluster-connected' }, () => super.gatewayConnected(connected, ahead));
  }
}

const FRAME_POINTS: Readonly<Record<string, { readonly before?: EdgeFailpoint; readonly after?: EdgeFailpoint }>> = {
  hello: { after: 'after-hello' },
  receipt: { before: 'before-receipt' },
  'lease-request': { after: 'after-lease-request' },
  report: { before: 'before-report', after: 'after-report' },
  observations: { after: 'after-observations' },
};

export class GatewayObject extends Gateway {
  readonly #chaos: ChaosEnv;

  constructor(ctx: DurableObjectState, env: ChaosEnv) {
    super(ctx, { ...env, CLUSTER: answering(env, env.CLUSTER, { report: 'after-report-answer' }) });
    this.#chaos = env;
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    const type = typeof message === 'string' ? /"type":"([a-z-]+)"/.exec(message)?.[1] : undefined;
    return around(this.#chaos, FRAME_POINTS[type ?? ''] ?? {}, () => super.webSocketMessage(socket, message));
  }

  override webSocketClose(socket: WebSocket): Promise<void> {
    return around(this.#chaos, { after: 'after-tunnel-closed' }, () => super.webSocketClose(socket));
  }

  override alarm(): Promise<void> {
    return around(this.#chaos, { after: 'after-gateway-alarm' }, () => super.alarm());
  }

  override enqueue(...given: Parameters<Gateway['enqueue']>) {
    const points = { before: 'before-gateway-enqueue', after: 'after-gateway-enqueue' } as const;
    return around(this.#chaos, points, () => super.enqueue(...given));
  }

  override withdraw(...given: Parameters<Gateway['withdraw']>) {
    return around(this.#chaos, { after: 'after-gateway-withdraw' }, () => super.withdraw(...given));
  }
}

export default {
  async fetch(request, env, context): Promise<Response> {
    const answer = await worker.fetch(request, env, context);
    if (request.method === 'POST' && new URL(request.url).pathname === '/v1/clusters')
      await reach(env, 'after-api-create');
    if (request.method === 'DELETE') await reach(env, 'after-api-delete');
    return answer;
  },
  scheduled: worker.scheduled,
} satisfies ExportedHandler<ChaosEnv>;
