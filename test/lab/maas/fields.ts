// The parameters of a call as MAAS sees them: repeated keys in the order sent. Also Python's way of printing them.

/** Keys in order of first appearance, each with all its values. */
export type Fields = ReadonlyMap<string, readonly string[]>;

export const NO_FIELDS: Fields = new Map();

export function fieldsFrom(pairs: Iterable<readonly [string, string]>): Fields {
  const fields = new Map<string, string[]>();
  for (const [key, value] of pairs) {
    const values = fields.get(key);
    if (values) values.push(value);
    else fields.set(key, [value]);
  }
  return fields;
}

/** Django's `get`: of a repeated key the last value counts. */
export const lastOf = (fields: Fields, key: string): string | undefined => fields.get(key)?.at(-1);

export const allOf = (fields: Fields, key: string): readonly string[] => fields.get(key) ?? [];

/** MAAS's `StringBool`. Every value but "false" and "" is true, "0" and "no" included (maas.md §5.5). */
export function looseFlag(fields: Fields, key: string): boolean {
  const value = lastOf(fields, key);
  return value !== undefined && value !== '' && value.toLowerCase() !== 'false';
}

/** Django's Form BooleanField: "false", "0" and "" are false. */
export function formFlag(fields: Fields, key: string, absent: boolean): boolean {
  const value = lastOf(fields, key);
  if (value === undefined) return absent;
  return !['', '0', 'false'].includes(value.toLowerCase());
}

/** `[('tags', ['gpu']), ('zone', ['az1'])]`, as Python prints it inside MAAS's texts. */
export function pythonPairs(entries: Iterable<readonly [string, readonly string[]]>): string {
  const pairs = [...entries].map(([key, values]) => `(${pythonText(key)}, [${values.map(pythonText).join(', ')}])`);
  return `[${pairs.join(', ')}]`;
}

export function pythonText(value: string): string {
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
  const escaped = value.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`).replaceAll('\n', '\\n');
  return `${quote}${escaped}${quote}`;
}

/** Python prints whole floats with `.0`. */
export const pythonFloat = (value: number): string => (Number.isInteger(value) ? `${value}.0` : String(value));
