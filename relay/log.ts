// JSON lines for an operator's journal: one for each transition, none for a poll, never a secret.

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

export type Log = {
  readonly [L in LogLevel]: (event: string, fields?: LogFields) => void;
} & {
  /** The same log with `fields` in every line. */
  readonly with: (fields: LogFields) => Log;
};

/** One text must not flood the journal. */
const TEXT_LENGTH_MAX = 2_000;

/** @param write takes one line without its end  @param now ISO text of the moment */
export function createLog(write: (line: string) => void, now: () => string, lowest: LogLevel, always: LogFields): Log {
  const rank = LOG_LEVELS.indexOf(lowest);
  const at = (level: LogLevel) => (event: string, fields?: LogFields) => {
    if (LOG_LEVELS.indexOf(level) < rank) return;
    write(JSON.stringify({ at: now(), level, event, ...bounded({ ...always, ...fields }) }));
  };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    with: (fields) => createLog(write, now, lowest, { ...always, ...fields }),
  };
}

function bounded(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' && value.length > TEXT_LENGTH_MAX ? `${value.slice(0, TEXT_LENGTH_MAX)}…` : value,
    ]),
  );
}

/** The words of anything thrown, for logs. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
