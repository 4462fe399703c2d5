// What a URL asks for, before anybody looks whether it exists: the API server authorises on this alone.

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

/** A request for a resource, or (`resource` undefined) for a plain path such as /readyz. */
export type ApiRequest = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly verb: Verb;
  readonly target: Target | undefined;
};

export type Target = {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
};

/** `namespaces/x/pods` is a kind in a namespace, but these two are parts of the namespace itself. */
const NAMESPACE_PARTS = new Set(['status', 'finalize']);

function targetOf(parts: readonly string[]): Target | undefined {
  const core = parts[0] === 'api';
  if (!core && parts[0] !== 'apis') return undefined;
  const group = core ? '' : (parts[1] ?? '');
  const version = parts[core ? 1 : 2] ?? '';
  let rest = parts.slice(core ? 2 : 3);
  if (version === '' || rest.length === 0) return undefined;
  let namespace = '';
  const [first, second, third] = rest;
  if (first === 'namespaces' && second !== undefined && third !== undefined && !NAMESPACE_PARTS.has(third)) {
    namespace = second;
    rest = rest.slice(2);
  }
  const name = rest[1] ?? '';
  if (namespace === '' && rest[0] === 'namespaces') namespace = name;
  return { group, version, plural: rest[0] ?? '', namespace, name, subresource: rest.slice(2).join('/') };
}

function verbOf(method: string, target: Target | undefined, query: URLSearchParams): Verb {
  const named = target === undefined || target.name !== '';
  switch (method) {
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return named ? 'delete' : 'deletecollection';
    default: {
      const watching = ['true', '1'].includes(query.get('watch') ?? '');
      return watching && target !== undefined ? 'watch' : named ? 'get' : 'list';
    }
  }
}

/** Parses method and URL; never fails, since an odd path is an unknown one. */
export function parseRequest(method: string, url: string): ApiRequest {
  const cut = url.indexOf('?');
  const path = cut < 0 ? url : url.slice(0, cut);
  const query = new URLSearchParams(cut < 0 ? '' : url.slice(cut + 1));
  const parts = path
    .split('/')
    .filter((part) => part !== '')
    .map(decode);
  const target = targetOf(parts);
  return { method, path, query, verb: verbOf(method, target, query), target };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // A malformed escape names nothing that exists: it is kept as it came and ends as 404.
    return part;
  }
}
