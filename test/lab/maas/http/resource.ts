// The shape of one row in the table of endpoints, and how a request picks its handler (maas.md §1.2).

import type { Fields } from '../fields.ts';
import type { Region } from '../region.ts';
import type { User } from '../users-and-keys.ts';
import { type Answer, html, notModelledAnswer, text } from './answer.ts';
import type { LabRequest } from './request.ts';

export type Call = {
  readonly region: Region;
  readonly caller: User;
  readonly request: LabRequest;
  /** What the path's variable part holds: a system id, a name, an id; '' when it has none. */
  readonly key: string;
  /** Of a GET the query; else the body, and of a JSON body nothing unless it is a PUT. */
  readonly fields: Fields;
};

export type Handler = (call: Call) => Answer | Promise<Answer>;

export type Resource = {
  /** For books and faults: `machines.allocate`, `machine.read`. */
  readonly name: string;
  readonly path: RegExp;
  readonly anonymous?: boolean;
  readonly read?: Handler;
  readonly create?: Handler;
  readonly update?: Handler;
  readonly remove?: Handler;
  /** Operations by GET, and by POST. */
  readonly gets?: { readonly [op: string]: Handler };
  readonly posts?: { readonly [op: string]: Handler };
  /** Operations that the real MAAS has here and the lab does not. */
  readonly unmodelled?: readonly string[];
};

export type Chosen = { readonly operation: string; readonly handler: Handler };

/** The handler, under a name for the books; the name is there also when the request will be refused. */
export function chooseHandler(resource: Resource, request: LabRequest, pathOp: string | null): Chosen {
  const op = pathOp ?? request.query.get('op')?.at(-1) ?? request.body.get('op')?.at(-1) ?? null;
  const named = (verb: string, handler: Handler | undefined, otherwise: () => Answer): Chosen => ({
    operation: `${resource.name}.${verb}`,
    handler: handler ?? otherwise,
  });
  const refused = () => html(405, '', { Allow: allowedMethods(resource) });
  if (op !== null && (request.method === 'GET' || request.method === 'POST')) {
    const table = request.method === 'GET' ? resource.gets : resource.posts;
    const handler = table && Object.hasOwn(table, op) ? table[op] : undefined;
    return named(op, handler, () => unknownOperation(resource, request.method, op));
  }
  switch (request.method) {
    case 'GET':
      return named('read', resource.read, refused);
    case 'POST':
      return named('create', resource.create, () =>
        resource.posts ? unknownOperation(resource, 'POST', 'None') : refused(),
      );
    case 'PUT':
      return named('update', resource.update, refused);
    case 'DELETE':
      return named('delete', resource.remove, refused);
    default:
      return named(request.method.toLowerCase(), undefined, refused);
  }
}

function unknownOperation(resource: Resource, method: string, op: string): Answer {
  if (resource.unmodelled?.includes(op)) return notModelledAnswer(`${resource.name} op=${op}`);
  return text(400, `Unrecognised signature: method=${method} op=${op}`);
}

function allowedMethods(resource: Resource): string {
  const methods = [
    ...(resource.read || resource.gets ? ['GET'] : []),
    ...(resource.create || resource.posts ? ['POST'] : []),
    ...(resource.update ? ['PUT'] : []),
    ...(resource.remove ? ['DELETE'] : []),
  ];
  return methods.join(', ');
}
