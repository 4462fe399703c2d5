// The settings of one install, with the secrets opened: pcg.yaml says where they are. Kept in memory only.
import type { AccountSharing } from '../../shared/project.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { ProxySettings } from '../config.ts';
import type { Placement } from './flavour.ts';
import type { InstallProblem, Refusal } from './install-problem.ts';
import type { Networks } from './networks.ts';
import type { PcgFile } from './pcg-file.ts';
import { readCode, readConsoleKey, readMaasKey, readProxy } from './read-answer.ts';
import { resolveSecret, type SecretReference, type SecretSources } from './secret.ts';

/** Read when pcg.yaml names no API key. */
export const API_KEY_VARIABLE = 'SLIPWAY_API_KEY';

export type Settings = {
  readonly name: string;
  readonly console: string;
  /** At least one of the two. */
  readonly pairingCode: string | null;
  readonly apiKey: string | null;
  readonly caFile: string | null;
  readonly proxy: ProxySettings;
  readonly networks: Networks;
  readonly maas: { readonly endpoint: string; readonly apiKey: string; readonly caPem: string | null };
  /** Of the default cloud account; undefined when the file says nothing of it. */
  readonly sharing?: AccountSharing | undefined;
  readonly placement: Placement | null;
  readonly enrolment: { readonly listen: string; readonly advertise: readonly string[] };
};

/** Opens every secret and tells all that fail. */
export async function openSettings(file: PcgFile, sources: SecretSources): Promise<Result<Settings, InstallProblem[]>> {
  const problems: InstallProblem[] = [];
  const open = async <T>(
    reference: SecretReference | null,
    where: string,
    read: (text: string) => Result<T, Refusal>,
  ): Promise<T | null> => {
    if (reference === null) return null;
    const text = await resolveSecret(reference, where, sources);
    const value = text.ok ? read(text.value) : text;
    if (value.ok) return value.value;
    problems.push({ ...value.error, where });
    return null;
  };
  const openProxy = (proxy: PcgFile['proxy']['https'], where: string): Promise<string | null> =>
    proxy?.kind === 'plain' ? Promise.resolve(proxy.url) : open(proxy, where, readProxy);

  const pairingCode = await open(file.console.pairingCode, 'console.pairingCode', readCode);
  const apiKey = await open(apiKeyReference(file, sources), 'console.apiKey', readConsoleKey);
  const https = await openProxy(file.proxy.https, 'proxy.https');
  const http = await openProxy(file.proxy.http, 'proxy.http');
  const maasKey = await open(file.maas.apiKey, 'maas.apiKey', readMaasKey);
  const caPem = await open(fileReference(file.maas.caFile), 'maas.caFile', ok);
  if (problems.length === 0 && pairingCode === null && apiKey === null) {
    const detail = 'there is neither a pairing code nor an API key';
    problems.push({ code: 'CREDENTIAL_MISSING', detail, where: 'console' });
  }
  if (maasKey === null || problems.length > 0) return err(problems);
  return ok({
    name: file.gateway.name,
    console: file.console.endpoint,
    pairingCode,
    apiKey,
    caFile: file.console.caFile,
    proxy: { https, http, no: file.proxy.no.flat() },
    networks: file.network,
    maas: { endpoint: file.maas.endpoint, apiKey: maasKey, caPem },
    sharing: file.account.sharing,
    placement: file.placement,
    enrolment: file.enrolment,
  });
}

function apiKeyReference(file: PcgFile, { environment }: SecretSources): SecretReference | null {
  if (file.console.apiKey !== null) return file.console.apiKey;
  return (environment[API_KEY_VARIABLE] ?? '') === '' ? null : { kind: 'env', name: API_KEY_VARIABLE };
}

const fileReference = (path: string | null): SecretReference | null => (path === null ? null : { kind: 'file', path });
