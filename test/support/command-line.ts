// What the command lines of demo, chaos and simulator have in common: whole numbers, and every mistake named at once.
import { z } from 'zod';
import { err, ok, type Result } from '../../shared/result.ts';

export const whole = (name: string, min: number, max: number) =>
  z.coerce
    .number(`--${name} takes a number`)
    .int(`--${name} takes a whole number`)
    .min(min, `--${name} is at least ${min}`)
    .max(max, `--${name} is at most ${max}`);

/** @param parse node:util's parseArgs, which throws on what it does not know */
export function parseFlags<T>(parse: () => T): Result<T, string> {
  try {
    return ok(parse());
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
}

export function checkOptions<T>(schema: z.ZodType<T>, values: unknown): Result<T, string> {
  const options = schema.safeParse(values);
  return options.success ? ok(options.data) : err(options.error.issues.map(({ message }) => message).join('\n'));
}
