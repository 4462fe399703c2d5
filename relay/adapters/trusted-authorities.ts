// Every authority to trust for console and proxy: the host's own, and those of a PEM file.
import { getCACertificates } from 'node:tls';
import { err, ok, type Result } from '../../shared/result.ts';
import { readTextFile } from './text-file.ts';

export async function readAuthorities(caFile: string | null): Promise<Result<string[], string>> {
  const own = [...getCACertificates('default')];
  if (caFile === null) return ok(own);
  const pem = await readTextFile(caFile);
  if (!pem.ok) return pem;
  return pem.value.includes('-----BEGIN CERTIFICATE-----')
    ? ok([...own, pem.value])
    : err(`${caFile} holds no PEM certificate`);
}
