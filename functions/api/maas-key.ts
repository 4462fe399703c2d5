// The form of a MAAS API key, checked before it travels. Never echoed: a problem names the part, not the text.
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';

const PARTS = ['consumer_key', 'key', 'secret'] as const;

/** `consumer_key:key:secret`, with the white space around it forgiven. */
export function readMaasKey(text: string): Result<string, ApiFailure> {
  const key = text.trim();
  const parts = key.split(':');
  const missing = PARTS.find((_name, at) => !parts[at]);
  if (missing !== undefined) return err(apiFailure('MAAS_KEY_FORMAT', `The part ${missing} is missing.`));
  if (parts.length > PARTS.length) return err(apiFailure('MAAS_KEY_FORMAT', 'There are more than three parts.'));
  if (!/^[\x21-\x7e]+$/.test(key)) {
    return err(apiFailure('MAAS_KEY_FORMAT', 'It holds characters that no MAAS key has.'));
  }
  return ok(key);
}
