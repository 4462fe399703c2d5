// A secret in pcg.yaml: where it is, or what it is sealed as. Never the secret itself.
import { err, ok, type Result } from '../../shared/result.ts';
import { type Refusal, refusal } from './install-problem.ts';
import { isSealed, openByPassphrase } from './passphrase.ts';

export type SecretReference =
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'sealed'; readonly text: string };

/** What stands behind references. */
export type SecretSources = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The text of a file, or why it can't be read. */
  readonly readFile: (path: string) => Promise<Result<string, string>>;
  /** Asked when the first sealed secret is met, and not again. */
  readonly passphrase: () => Promise<Result<string, Refusal>>;
};

/** Null for anything else: then it is in plain, or a mistake. */
export function parseReference(text: string): SecretReference | null {
  const name = /^env:([A-Za-z_][A-Za-z0-9_]*)$/.exec(text)?.[1];
  if (name !== undefined) return { kind: 'env', name };
  const path = /^file:(\/.+)$/.exec(text)?.[1];
  if (path !== undefined) return { kind: 'file', path };
  return isSealed(text) ? { kind: 'sealed', text } : null;
}

/** The secret behind a reference. @param field where it stands: a sealed one opens nowhere else */
export async function resolveSecret(
  reference: SecretReference,
  field: string,
  sources: SecretSources,
): Promise<Result<string, Refusal>> {
  switch (reference.kind) {
    case 'env': {
      const value = sources.environment[reference.name]?.trim() ?? '';
      return value === '' ? err(refusal('SECRET_UNREADABLE', `${reference.name} is not set`)) : ok(value);
    }
    case 'file': {
      const text = await sources.readFile(reference.path);
      if (!text.ok) return err(refusal('SECRET_UNREADABLE', text.error));
      const value = text.value.trim();
      return value === '' ? err(refusal('SECRET_UNREADABLE', `${reference.path} is empty`)) : ok(value);
    }
    case 'sealed': {
      const passphrase = await sources.passphrase();
      return passphrase.ok ? openByPassphrase(reference.text, passphrase.value, field) : passphrase;
    }
  }
}
