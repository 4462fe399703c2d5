// What the server says it can do: /api, /apis, their groups and kinds, /version, and just enough OpenAPI for kubectl.
import type { Answer } from './call.ts';
import { answer } from './call.ts';
import type { Cluster } from './cluster.ts';
import type { Json, JsonObject } from './json.ts';
import type { Resource } from './resources.ts';
import { apiVersionOf, pathOf, RESOURCES, verbsOf } from './resources.ts';

type Kinds = readonly Resource[];

/** Kinds of subresources that are not their parent's. */
const SUBRESOURCES: Readonly<
  Record<string, { group?: string; version?: string; kind: string; verbs: readonly string[] }>
> = {
  eviction: { group: 'policy', version: 'v1', kind: 'Eviction', verbs: ['create'] },
  scale: { group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: ['get', 'patch', 'update'] },
  token: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest', verbs: ['create'] },
  log: { kind: '', verbs: ['get'] },
  finalize: { kind: '', verbs: ['update'] },
};

function describe(resource: Resource): JsonObject[] {
  const own: JsonObject = {
    name: resource.plural,
    singularName: resource.singular,
    namespaced: resource.namespaced,
    kind: resource.kind,
    verbs: [...verbsOf(resource)],
  };
  if (resource.shortNames.length > 0) own.shortNames = [...resource.shortNames];
  if (resource.categories.length > 0) own.categories = [...resource.categories];
  if (!resource.createOnly && resource.plural !== 'componentstatuses')
    own.storageVersionHash = Buffer.from(resource.plural.padEnd(8)).subarray(0, 8).toString('base64');
  const parts = [...resource.subresources].sort().map((name): JsonObject => {
    const special = SUBRESOURCES[name];
    const entry: JsonObject = { name: `${resource.plural}/${name}`, singularName: '', namespaced: resource.namespaced };
    if (special?.group !== undefined) entry.group = special.group;
    if (special?.version !== undefined) entry.version = special.version;
    entry.kind = special === undefined || special.kind === '' ? resource.kind : special.kind;
    entry.verbs = [...(special?.verbs ?? ['get', 'patch', 'update'])];
    return entry;
  });
  return [own, ...parts];
}

function groupOf(kinds: Kinds, name: string): JsonObject {
  const versions = [...new Set(kinds.filter((kind) => kind.group === name).map(apiVersionOf))];
  const entries = versions.map(
    (groupVersion): JsonObject => ({ groupVersion, version: groupVersion.split('/')[1] ?? '' }),
  );
  return { name, versions: entries, preferredVersion: entries[0] ?? {} };
}

const groupNames = (kinds: Kinds): string[] => [
  ...new Set(kinds.map((kind) => kind.group).filter((group) => group !== '')),
];

function majorMinor(version: string): { major: string; minor: string } {
  const match = /^v?(\d+)\.(\d+)/.exec(version);
  return { major: match?.[1] ?? '1', minor: match?.[2] ?? '0' };
}

/** /version. `gitTreeState` and `buildDate` are shaped like a release's; the commit says what this really is. */
export function versionInfo(gitVersion: string): JsonObject {
  const { major, minor } = majorMinor(gitVersion);
  return {
    major,
    minor,
    emulationMajor: major,
    emulationMinor: minor,
    minCompatibilityMajor: major,
    minCompatibilityMinor: String(Math.max(0, Number(minor) - 1)),
    gitVersion,
    gitCommit: 'slipway-lab-stand-in',
    gitTreeState: 'clean',
    buildDate: '2026-08-21T00:00:00Z',
    goVersion: 'go1.27.4',
    compiler: 'gc',
    platform: 'linux/amd64',
  };
}

/**
 * OpenAPI v3 of one group version: every path's PATCH with the parameters kubectl looks for (dryRun, fieldValidation).
 * There are no schemas: kubectl then leaves validation to the server and merges by its own built-in types.
 */
function openApi(kinds: Kinds, info: JsonObject): JsonObject {
  const paths: JsonObject = {};
  for (const kind of kinds) {
    const inner = kind.namespaced ? '/namespaces/{namespace}' : '';
    const parameters: Json[] = ['dryRun', 'fieldManager', 'fieldValidation', 'force'].map((name) => ({
      name,
      in: 'query',
      schema: { type: 'string', uniqueItems: true },
    }));
    const gvk = { group: kind.group, version: kind.version, kind: kind.kind };
    const answers = { '200': { description: 'OK' } };
    paths[`${pathOf(kind)}${inner}/${kind.plural}/{name}`] = {
      patch: {
        operationId: `patch${kind.kind}`,
        parameters,
        responses: answers,
        'x-kubernetes-action': 'patch',
        'x-kubernetes-group-version-kind': gvk,
      },
    };
  }
  return {
    openapi: '3.0.0',
    info: { title: "Slipway lab's stand-in for Kubernetes", version: info.gitVersion ?? '' },
    paths,
    components: {},
  };
}

/** Answers a discovery path, or undefined when the path is none. `host` is what /api tells clients to use. */
export function discover(cluster: Cluster, path: string, host: string): Answer | undefined {
  const custom = cluster.customResources.kinds().map((kind) => kind.resource);
  const kinds: Kinds = [...RESOURCES, ...custom];
  const trimmed = path.length > 1 ? path.replace(/\/$/, '') : path;
  const groups = groupNames(kinds);
  const versions = [...new Set(kinds.map((kind) => pathOf(kind)))];
  if (trimmed === '/version') return answer(200, versionInfo(cluster.options.kubernetesVersion));
  if (trimmed === '/') {
    const groupPaths = groups.map((group) => `/apis/${group}`);
    return answer(200, {
      paths: [
        '/api',
        '/apis',
        ...groupPaths,
        ...versions,
        '/healthz',
        '/livez',
        '/openapi/v3',
        '/readyz',
        '/version',
      ].sort(),
    });
  }
  if (trimmed === '/api') {
    return answer(200, {
      kind: 'APIVersions',
      versions: ['v1'],
      serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: host }],
    });
  }
  if (trimmed === '/apis')
    return answer(200, {
      kind: 'APIGroupList',
      apiVersion: 'v1',
      groups: groups.map((group) => groupOf(kinds, group)),
    });
  if (trimmed === '/openapi/v3') {
    const paths = Object.fromEntries(
      versions.map((version) => [version.slice(1), { serverRelativeURL: `/openapi/v3${version}?hash=stand-in` }]),
    );
    return {
      status: 200,
      contentType: 'text/plain; charset=utf-8',
      body: JSON.stringify({ paths }),
      headers: { 'accept-ranges': 'bytes', 'last-modified': new Date(0).toUTCString() },
    };
  }
  const described = /^\/openapi\/v3(\/.+)$/.exec(trimmed)?.[1];
  if (described !== undefined && versions.includes(described)) {
    return answer(
      200,
      openApi(
        kinds.filter((kind) => pathOf(kind) === described),
        versionInfo(cluster.options.kubernetesVersion),
      ),
    );
  }
  const group = /^\/apis\/([^/]+)$/.exec(trimmed)?.[1];
  if (group !== undefined && groups.includes(group))
    return answer(200, { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(kinds, group) });
  const listed = kinds.filter((kind) => pathOf(kind) === trimmed);
  const [first] = listed;
  if (first === undefined) return undefined;
  // The core group's list is older than the field apiVersion, and still lacks it.
  const head = first.group === '' ? {} : { apiVersion: 'v1' };
  return answer(200, {
    kind: 'APIResourceList',
    ...head,
    groupVersion: apiVersionOf(first),
    resources: listed.flatMap(describe),
  });
}
