// CustomResourceDefinitions: established at once, served a moment later, and checked by the part of their schema that
// is played here (types, required, minimum, maximum, enum, unknown fields).
import type { Clock } from './clock.ts';
import { timestamp } from './clock.ts';
import type { Json, JsonObject } from './json.ts';
import { dig, grow, isObject, list, nameOf, number, object, text } from './json.ts';
import type { Resource } from './resources.ts';
import { CUSTOM_RESOURCE_DEFINITIONS } from './resources.ts';
import type { FieldError } from './status.ts';
import type { Store } from './store.ts';
import type { Timings } from './timings.ts';

export type CustomKind = { readonly resource: Resource; readonly schema: JsonObject };

function kindsOf(definition: JsonObject): CustomKind[] {
  const names = object(definition, 'spec', 'names');
  return list(definition, 'spec', 'versions')
    .filter((version) => dig(version, 'served') === true)
    .map((version) => {
      const schema = object(version, 'schema', 'openAPIV3Schema');
      const known = Object.keys(object(schema, 'properties')).filter(
        (key) => !['apiVersion', 'kind', 'metadata'].includes(key),
      );
      const resource: Resource = {
        group: text(definition, 'spec', 'group'),
        version: text(version, 'name'),
        plural: text(names, 'plural'),
        singular: text(names, 'singular') || text(names, 'kind').toLowerCase(),
        kind: text(names, 'kind'),
        namespaced: text(definition, 'spec', 'scope') === 'Namespaced',
        shortNames: list(names, 'shortNames').filter((name) => typeof name === 'string'),
        categories: list(names, 'categories').filter((name) => typeof name === 'string'),
        fields: known,
        subresources: Object.keys(object(version, 'subresources')),
        counted: true,
        custom: true,
        createOnly: false,
        singleDeleteOnly: false,
      };
      return { resource, schema };
    });
}

const isEstablished = (definition: JsonObject): boolean =>
  list(definition, 'status', 'conditions').some(
    (condition) => text(condition, 'type') === 'Established' && text(condition, 'status') === 'True',
  );

export type CustomResources = ReturnType<typeof createCustomResources>;

export function createCustomResources(store: Store, clock: Clock, timings: Timings) {
  const served = new Map<string, CustomKind[]>();
  const waiting = new Set<string>();

  function establish(definition: JsonObject): void {
    const at = timestamp(clock.now());
    store.change(CUSTOM_RESOURCE_DEFINITIONS, '', nameOf(definition), (found) => {
      const status = grow(found, 'status');
      status.conditions = [
        {
          type: 'NamesAccepted',
          status: 'True',
          lastTransitionTime: at,
          reason: 'NoConflicts',
          message: 'no conflicts found',
        },
        {
          type: 'Established',
          status: 'True',
          lastTransitionTime: at,
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        },
      ];
      status.acceptedNames = object(found, 'spec', 'names');
    });
  }

  function reconcile(): void {
    const definitions = store.all(CUSTOM_RESOURCE_DEFINITIONS);
    for (const name of served.keys()) if (!definitions.some((one) => nameOf(one) === name)) served.delete(name);
    for (const definition of definitions) {
      const name = nameOf(definition);
      if (!isEstablished(definition)) establish(definition);
      else if (served.has(name)) served.set(name, kindsOf(definition));
      else if (!waiting.has(name)) {
        waiting.add(name);
        clock.after(timings.crdServedMs, () => {
          waiting.delete(name);
          const found = store.get(CUSTOM_RESOURCE_DEFINITIONS, '', name);
          if (found.ok) served.set(name, kindsOf(found.value));
        });
      }
    }
  }

  /** The kinds served now. A definition's kinds vanish with it, and their objects with them. */
  const kinds = (): CustomKind[] => [...served.values()].flat();

  function forget(definition: JsonObject): void {
    for (const { resource } of served.get(nameOf(definition)) ?? kindsOf(definition)) {
      for (const object of [...store.all(resource)])
        store.remove(resource, text(object, 'metadata', 'namespace'), nameOf(object));
    }
    served.delete(nameOf(definition));
  }

  return { reconcile, kinds, forget };
}

const typeName = (value: Json): string => (Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value);

function fits(type: string, value: Json): boolean {
  if (type === 'integer') return Number.isInteger(value);
  return type === typeName(value);
}

/** What a value breaks of a schema. `field` is the path so far, as messages write it. */
export function schemaErrors(schema: JsonObject, value: Json, field = ''): FieldError[] {
  const name = field === '' ? '<root>' : field;
  const type = text(schema, 'type');
  const shown = JSON.stringify(value);
  if (value === null && schema.nullable === true) return [];
  if (type !== '' && !fits(type, value)) {
    return [
      {
        field: name,
        problem: `Invalid value: ${JSON.stringify(typeName(value))}: ${name} in body must be of type ${type}: ${JSON.stringify(typeName(value))}`,
      },
    ];
  }
  const errors: FieldError[] = [];
  const [minimum, maximum] = [number(schema, 'minimum'), number(schema, 'maximum')];
  if (typeof value === 'number' && minimum !== undefined && value < minimum) {
    errors.push({
      field: name,
      problem: `Invalid value: ${shown}: ${name} in body should be greater than or equal to ${minimum}`,
    });
  }
  if (typeof value === 'number' && maximum !== undefined && value > maximum) {
    errors.push({
      field: name,
      problem: `Invalid value: ${shown}: ${name} in body should be less than or equal to ${maximum}`,
    });
  }
  const allowed = list(schema, 'enum');
  if (allowed.length > 0 && !allowed.includes(value)) {
    errors.push({
      field: name,
      problem: `Unsupported value: ${shown}: supported values: ${allowed.map((one) => JSON.stringify(one)).join(', ')}`,
    });
  }
  if (Array.isArray(value)) {
    value.forEach((item, index) => {
      errors.push(...schemaErrors(object(schema, 'items'), item, `${field}[${index}]`));
    });
  }
  if (!isObject(value)) return errors;
  for (const key of list(schema, 'required')) {
    if (typeof key === 'string' && value[key] === undefined)
      errors.push({ field: field === '' ? key : `${field}.${key}`, problem: 'Required value' });
  }
  for (const [key, child] of Object.entries(object(schema, 'properties'))) {
    const inner = value[key];
    if (inner !== undefined && isObject(child) && !(field === '' && key === 'metadata'))
      errors.push(...schemaErrors(child, inner, field === '' ? key : `${field}.${key}`));
  }
  return errors;
}

/** Paths of fields a schema does not declare; the server prunes them or, for apply, refuses them. */
export function undeclaredFields(schema: JsonObject, value: Json, path = ''): string[] {
  if (
    !isObject(value) ||
    schema['x-kubernetes-preserve-unknown-fields'] === true ||
    schema.additionalProperties !== undefined
  )
    return [];
  const properties = object(schema, 'properties');
  if (path !== '' && Object.keys(properties).length === 0) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    if (path === '' && ['apiVersion', 'kind', 'metadata'].includes(key)) return [];
    const declared = properties[key];
    return isObject(declared) ? undeclaredFields(declared, child, `${path}.${key}`) : [`${path}.${key}`];
  });
}
