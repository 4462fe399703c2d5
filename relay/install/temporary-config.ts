// The settings of the temporary relay: from pcg.yaml, and from the variables of `run` that say where machines reach this host.
import { dump } from 'js-yaml';
import { err, ok, type Result } from '../../shared/result.ts';
import type { LoadedConfig } from '../adapters/load-config.ts';
import { readTextFile } from '../adapters/text-file.ts';
import { readAuthorities } from '../adapters/trusted-authorities.ts';
import { readConfig } from '../config.ts';
import { type InstallProblem, refusal } from './install-problem.ts';
import type { Environment } from './read-settings.ts';
import type { Settings } from './settings.ts';

export const TEMPORARY_VARIABLES = [
  'SLIPWAY_ENROLMENT_LISTEN',
  'SLIPWAY_ENROLMENT_ADVERTISE',
  'SLIPWAY_ENROLMENT_AUTHORITY',
  'SLIPWAY_ENROLMENT_CHECK_SOURCE',
  'SLIPWAY_MAAS_ENDPOINTS',
  'SLIPWAY_RELEASE_KEY',
  'SLIPWAY_LOG_LEVEL',
];

export async function temporaryConfig(
  { console, caFile, proxy, enrolment }: Settings,
  stateDir: string,
  environment: Environment,
): Promise<Result<LoadedConfig, InstallProblem[]>> {
  const file = { stateDir, console, caFile, proxy, enrolment };
  const variables = Object.fromEntries(TEMPORARY_VARIABLES.map((name) => [name, environment[name]]));
  const config = readConfig(dump(file), variables);
  if (!config.ok)
    return err(config.error.map(({ setting, message }) => ({ ...refusal('FIELD_INVALID', message), where: setting })));
  const ca = await readAuthorities(caFile);
  const pem = caFile === null ? ok(null) : await readTextFile(caFile);
  if (!ca.ok || !pem.ok) {
    const detail = ca.ok ? (pem.ok ? '' : pem.error) : ca.error;
    return err([{ ...refusal('SECRET_UNREADABLE', detail), where: 'console.caFile' }]);
  }
  return ok({ config: config.value, ca: ca.value, siteAuthorities: pem.value });
}
