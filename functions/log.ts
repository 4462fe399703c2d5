// Logs are JSON records, one per transition, none per poll. Never a secret, never a body.
export type LogRecord = { readonly event: string } & Readonly<
  Record<string, string | number | boolean | null | undefined>
>;

export function log(record: LogRecord): void {
  console.log(JSON.stringify(record));
}

/** An error's own words, for a log record. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
