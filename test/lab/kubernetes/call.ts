// One authorised request on its way through the handlers, and the answer it gets.
import type { IncomingHttpHeaders } from 'node:http';
import type { User } from './bootstrap-tokens.ts';
import type { Cluster } from './cluster.ts';
import type { CustomKind } from './custom-resources.ts';
import type { Json, JsonObject } from './json.ts';
import type { ApiRequest, Target } from './request.ts';
import type { Resource } from './resources.ts';
import { apiVersionOf } from './resources.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';
import type { ApiFailure } from './status.ts';

/** Any answer but a watch. `contentType` is application/json unless it says otherwise. */
export type Answer = {
  readonly status: number;
  readonly body: JsonObject | string;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
};

export type Call = {
  readonly cluster: Cluster;
  readonly accounts: ServiceAccountTokens;
  readonly request: ApiRequest;
  readonly target: Target;
  readonly resource: Resource;
  /** Set for kinds of a CustomResourceDefinition. */
  readonly custom: CustomKind | undefined;
  readonly user: User;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};

export const answer = (status: number, body: JsonObject, warnings: readonly string[] = []): Answer =>
  warnings.length === 0
    ? { status, body }
    : { status, body, headers: { warning: warnings.map((warning) => `299 - ${JSON.stringify(warning)}`) } };

export const failed = (failure: ApiFailure): Answer => failure;

/** An object as GET shows it: kind and apiVersion first. */
export function presented(resource: Resource, object: JsonObject): JsonObject {
  return { ...object, kind: resource.kind, apiVersion: apiVersionOf(resource) };
}

/** An object inside a list: built-in kinds come without kind and apiVersion, custom ones with. */
export function listed(resource: Resource, object: JsonObject): JsonObject {
  if (resource.custom) return presented(resource, object);
  const { kind: _kind, apiVersion: _apiVersion, ...rest } = object;
  return rest;
}

/** The subject that messages name. */
export const subjectOf = (call: Call, name = call.target.name) => ({
  plural: call.resource.plural,
  group: call.resource.group,
  name,
});

/** Whether the call is `?dryRun=All`. */
export const isDryRun = (call: Call): boolean => call.request.query.getAll('dryRun').includes('All');

/** The author's name for managedFields: as told, else the client's program name. */
export function managerName(call: Call): string {
  const told = call.request.query.get('fieldManager');
  if (told !== null && told !== '') return told;
  return (call.headers['user-agent'] ?? 'unknown').split('/')[0] ?? 'unknown';
}

export const isJsonObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
