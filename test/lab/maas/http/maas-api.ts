// The MAAS API of the lab: finds the endpoint, checks the key, runs the handler. Works on any request that lab-server.ts
// hands over; knows nothing of sockets.

import { type Fields, NO_FIELDS } from '../fields.ts';
import type { Region } from '../region.ts';
import type { ApiToken, User } from '../users-and-keys.ts';
import { type Answer, notModelledAnswer, text, textBare } from './answer.ts';
import { machineResource, machinesResource } from './machine-resources.ts';
import { networkResources } from './network-resources.ts';
import { checkUser, type NonceBook } from './oauth-check.ts';
import type { LabRequest } from './request.ts';
import { chooseHandler, type Resource } from './resource.ts';
import { siteResources } from './site-resources.ts';

export const API_PREFIX = '/MAAS/api/';
const V2 = '/MAAS/api/2.0/';
/** Hash of the describe document of 3.7.3. */
const API_HASH = '36763f1444f05f8c565d0292aabefcaa9ece4369';

const RESOURCES: readonly Resource[] = [machinesResource, machineResource, ...networkResources, ...siteResources];

/** First words of the paths that the real MAAS serves and the lab does not. */
const UNMODELLED_ENDPOINTS = new Set([
  'boot-sources',
  'commissioning-scripts',
  'describe',
  'devices',
  'dhcp-snippets',
  'discovery',
  'fabrics',
  'files',
  'installation-results',
  'license-key',
  'license-keys',
  'networks',
  'nodes',
  'notifications',
  'package-repositories',
  'pods',
  'rackcontrollers',
  'regioncontrollers',
  'reservedips',
  'scripts',
  'spaces',
  'static-routes',
  'vlans',
  'vm-clusters',
  'vm-hosts',
  'vm-host',
  'vlan',
  'sshkeys',
  'raid',
  'account',
  'boot-resources',
  'machines',
]);

export type MaasApi = {
  readonly region: Region;
  readonly nonces: NonceBook;
  isDenied(token: ApiToken): boolean;
};

export type Prepared = {
  /** `machines.allocate`, or the path when nothing answers to it. */
  readonly operation: string;
  readonly systemId: string | null;
  /** Checks the key and does the work. The user is null when the key was refused or not asked for. */
  run(): Promise<{ answer: Answer; caller: User | null }>;
};

/** Finds what the request asks for without doing it, so that a fault can step in between. */
export function prepareCall(api: MaasApi, request: LabRequest): Prepared {
  const nothing = (answer: Answer): Prepared => ({
    operation: request.path,
    systemId: null,
    run: () => Promise.resolve({ answer, caller: null }),
  });
  if (!request.path.startsWith(V2)) {
    return nothing(textBare(410, 'The 1.0 API is no longer available. Please use API version 2.0.'));
  }
  const [path, pathOp] = splitPathOp(request.path.slice(V2.length));
  for (const resource of RESOURCES) {
    const match = resource.path.exec(path);
    if (!match) continue;
    const { operation, handler } = chooseHandler(resource, request, pathOp);
    const key = match[1] ?? '';
    const fields = fieldsOf(request);
    return {
      operation,
      systemId: resource === machineResource ? key : null,
      run: async () => {
        const caller = resource.anonymous ? null : authenticate(api, request);
        if (caller && !caller.ok) return { answer: caller.error, caller: null };
        const user = caller?.value ?? ANYBODY;
        const answer = await handler({ region: api.region, caller: user, request, key, fields });
        return { answer: withApiHash(answer), caller: caller ? user : null };
      },
    };
  }
  const word = path.split('/')[0] ?? '';
  if (path.endsWith('/') && UNMODELLED_ENDPOINTS.has(word)) return nothing(notModelledAnswer(`the endpoint ${path}`));
  return nothing(text(404, `Unknown API endpoint: ${request.path}.`));
}

/** The caller of version/, which asks nobody for a key. */
const ANYBODY: User = { id: 0, username: '', email: '', admin: false, active: true };

const authenticate = (api: MaasApi, request: LabRequest) =>
  checkUser(
    {
      authorization: request.authorization,
      method: request.method,
      url: `http://${request.host}${request.path}`,
      query: request.query,
      nowMs: api.region.ports.now(),
    },
    api.region,
    api.nonces,
    api.isDenied,
  );

/** Parameters of POST are read from the body only; of JSON bodies only PUT reads anything (maas.md §1.3, §1.4). */
function fieldsOf(request: LabRequest): Fields {
  if (request.method === 'GET') return request.query;
  return request.isJson && request.method !== 'PUT' ? NO_FIELDS : request.body;
}

/** `machines/op-allocate` says the same as `machines/?op=allocate`. */
function splitPathOp(path: string): [string, string | null] {
  const match = /^(.*\/)op-([a-z_]+)\/?$/.exec(path);
  return match ? [match[1] ?? '', match[2] ?? null] : [path, null];
}

const withApiHash = (answer: Answer): Answer => ({
  ...answer,
  headers: { Vary: 'Authorization, Cookie', 'X-MAAS-API-Hash': API_HASH, ...answer.headers },
});
