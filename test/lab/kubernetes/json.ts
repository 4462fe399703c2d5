// JSON trees and how to read them without trusting them: what a client sends is a Json until something looked.

export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = { [key: string]: Json };

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value under a path of keys, or undefined as soon as one is missing. Numbers index lists. */
export function dig(value: Json | undefined, ...path: (string | number)[]): Json | undefined {
  let current: Json | undefined = value;
  for (const step of path) {
    if (typeof step === 'number') current = Array.isArray(current) ? current[step] : undefined;
    else current = isObject(current) && Object.hasOwn(current, step) ? current[step] : undefined;
  }
  return current;
}

/** A text under a path; '' when it is missing or something else. */
export function text(value: Json | undefined, ...path: (string | number)[]): string {
  const found = dig(value, ...path);
  return typeof found === 'string' ? found : '';
}

export function list(value: Json | undefined, ...path: (string | number)[]): Json[] {
  const found = dig(value, ...path);
  return Array.isArray(found) ? found : [];
}

export function object(value: Json | undefined, ...path: (string | number)[]): JsonObject {
  const found = dig(value, ...path);
  return isObject(found) ? found : {};
}

export function number(value: Json | undefined, ...path: (string | number)[]): number | undefined {
  const found = dig(value, ...path);
  return typeof found === 'number' ? found : undefined;
}

/** The object under a key, made there when it is missing: for writing into a tree one owns. */
export function grow(parent: JsonObject, key: string): JsonObject {
  const found = parent[key];
  if (isObject(found)) return found;
  const made: JsonObject = {};
  parent[key] = made;
  return made;
}

/** Texts of a map such as labels; other values are left out. */
export function textMap(value: Json | undefined): Record<string, string> {
  const map: Record<string, string> = {};
  for (const [key, entry] of Object.entries(object(value))) if (typeof entry === 'string') map[key] = entry;
  return map;
}

export function clone<T extends Json>(value: T): T {
  return structuredClone(value);
}

export function equal(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((entry, index) => equal(entry, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]));
}

export const nameOf = (value: Json | undefined): string => text(value, 'metadata', 'name');
export const namespaceOf = (value: Json | undefined): string => text(value, 'metadata', 'namespace');
export const uidOf = (value: Json | undefined): string => text(value, 'metadata', 'uid');
export const labelsOf = (value: Json | undefined): Record<string, string> => textMap(dig(value, 'metadata', 'labels'));
export const isTerminating = (value: Json | undefined): boolean => text(value, 'metadata', 'deletionTimestamp') !== '';
