// The settings of a relay on one of the gateway's own machines, as the relay that serves its document writes them and `install
// --node` reads them there. JSON, so that what is in them needs no quoting.
import { z } from 'zod';
import { objectName } from '../../shared/ids.ts';
import { ReleaseKey } from '../../shared/release.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { LoadedConfig } from '../adapters/load-config.ts';
import { AUTHORITY_NUMBER_MAX } from '../config.ts';
import type { Identity } from '../identity.ts';
import { LOG_LEVELS } from '../log.ts';

/** Where machines enrol, on every machine of a gateway. */
const ENROLMENT_PORT = 8_443;

const NodeSettings = z.strictObject({
  v: z.literal(1),
  console: z.string(),
  /** The gateway's object, so that the edge finds it by a code that no catalogue holds (I3). */
  object: z.string().max(255),
  /** Further authorities for console and proxy, as PEM. */
  siteAuthorities: z.string().nullable(),
  proxy: z.strictObject({ https: z.string().nullable(), http: z.string().nullable(), no: z.array(z.string()) }),
  enrolment: z.strictObject({
    listen: z.string(),
    advertise: z.array(z.string()),
    checkSource: z.boolean(),
    /** Left out while it is 0. */
    authority: z.int().min(1).max(AUTHORITY_NUMBER_MAX).optional(),
  }),
  maasEndpoints: z.array(z.string()).nullable(),
  releaseKey: ReleaseKey.nullable().default(null),
  logLevel: z.enum(LOG_LEVELS),
});
export type NodeSettings = z.infer<typeof NodeSettings>;

/**
 * What holds for this relay holds for that one, but for its own addresses.
 * @param nodeAddress in the nodes' subnet
 * @param virtualAddress of the gateway's control plane: on one of its nodes at a time, and each of them listens there
 */
export function renderNodeSettings(
  { config, siteAuthorities }: Pick<LoadedConfig, 'config' | 'siteAuthorities'>,
  { origin, scope, gatewayId }: Pick<Identity, 'origin' | 'scope' | 'gatewayId'>,
  nodeAddress: string,
  virtualAddress: string,
): string {
  const settings: NodeSettings = {
    v: 1,
    console: origin,
    object: objectName(scope, gatewayId),
    siteAuthorities,
    proxy: config.proxy,
    enrolment: {
      listen: `0.0.0.0:${ENROLMENT_PORT}`,
      // Not every address: a Kubernetes node has bridges, which lead elsewhere. Its own first, since who is told of it leads;
      // the virtual one stays when the machines are replaced, one after another, while others are being deployed.
      advertise: [nodeAddress, virtualAddress].map((address) => `${address}:${ENROLMENT_PORT}`),
      checkSource: config.enrolment.checkSource,
      ...(config.enrolment.authority === 0 ? {} : { authority: config.enrolment.authority }),
    },
    maasEndpoints: config.maasEndpoints,
    releaseKey: config.releaseKey,
    logLevel: config.logLevel,
  };
  return `${JSON.stringify(settings)}\n`;
}

/** Fails with what is wrong; the text is not quoted, since a proxy's password may be in it. */
export function readNodeSettings(text: string): Result<NodeSettings, string> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return err('is not JSON');
    throw error;
  }
  const settings = NodeSettings.safeParse(json);
  if (settings.success) return ok(settings.data);
  const [issue] = settings.error.issues;
  return err(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is wrong'}`);
}
