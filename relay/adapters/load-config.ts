// Settings from the real file system and environment.
import { readFile } from 'node:fs/promises';
import { getCACertificates } from 'node:tls';
import { err, ok, type Result } from '../../shared/result.ts';
import { type Config, type ConfigProblem, configPath, readConfig } from '../config.ts';
import { reasonOf } from '../log.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export type LoadedConfig = {
  readonly config: Config;
  /** Every authority to trust for console and proxy: the host's own and the configured ones. */
  readonly ca: string[];
  /** The configured ones alone, as PEM; null without. */
  readonly siteAuthorities: string | null;
};

export async function loadConfig(environment: Environment): Promise<Result<LoadedConfig, ConfigProblem[]>> {
  const { path, required } = configPath(environment);
  const file = await readText(path, 'SLIPWAY_CONFIG');
  if (!file.ok && (required || !file.error.missing)) return err([file.error]);
  const config = readConfig(file.ok ? file.value : null, environment);
  if (!config.ok) return config;
  const own = [...getCACertificates('default')];
  if (config.value.caFile === null) return ok({ config: config.value, ca: own, siteAuthorities: null });
  const pem = await readText(config.value.caFile, 'SLIPWAY_CA_FILE');
  if (!pem.ok) return err([pem.error]);
  if (!pem.value.includes('-----BEGIN CERTIFICATE-----'))
    return err([{ setting: 'SLIPWAY_CA_FILE', message: `${config.value.caFile} holds no PEM certificate` }]);
  return ok({ config: config.value, ca: [...own, pem.value], siteAuthorities: pem.value });
}

async function readText(path: string, setting: string): Promise<Result<string, ConfigProblem & { missing: boolean }>> {
  try {
    return ok(await readFile(path, 'utf8'));
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return err({ setting, message: `${path} can't be read: ${reasonOf(error)}`, missing });
  }
}
