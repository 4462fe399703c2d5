// The command line of `install`, the seed's own spelling included: `-o true`, `-s true -c //opt/…/pcg.yaml`, `--https_proxy`.
import { isAbsolute, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { err, ok, type Result } from '../../shared/result.ts';
import { reasonOf } from '../log.ts';
import type { InstallProblem } from './install-problem.ts';
import type { Overrides } from './pcg-file.ts';
import { readNoProxy } from './read-answer.ts';

export const INSTALL_OPTIONS = {
  interactive: { type: 'boolean', short: 'o', default: false },
  silent: { type: 'boolean', short: 's', default: false },
  'config-file': { type: 'string', short: 'c' },
  check: { type: 'boolean', default: false },
  host: { type: 'boolean', default: false },
  out: { type: 'string' },
  https_proxy: { type: 'string' },
  http_proxy: { type: 'string' },
  no_proxy: { type: 'string' },
  pod_cidr: { type: 'string' },
  svc_ip_range: { type: 'string' },
  'passphrase-file': { type: 'string' },
  prefix: { type: 'string' },
  'no-start': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export type InstallArguments = {
  readonly mode: 'help' | 'interactive' | 'check' | 'install';
  /** Absolute; empty in interactive mode. */
  readonly configFile: string;
  readonly host: boolean;
  readonly out: string | null;
  readonly overrides: Overrides;
  /** Of the flags' own values. */
  readonly problems: readonly InstallProblem[];
  readonly passphraseFile: string | null;
  readonly prefix: string;
  readonly start: boolean;
  readonly json: boolean;
};

/** `slipway-relay -o true` without a command, as the seed's image is started. */
export const isInstallFlag = (arg: string | undefined): boolean =>
  arg !== undefined && ['-o', '-s', '-c', '--interactive', '--silent', '--config-file'].includes(arg);

/** Fails with what is wrong with the use. */
export function parseInstallArguments(args: readonly string[]): Result<InstallArguments, string> {
  let values: ReturnType<typeof parse>['values'];
  try {
    values = parse(args).values;
  } catch (error) {
    return err(reasonOf(error));
  }
  const wrong = misuse(values);
  if (wrong !== null && !values.help) return err(wrong);
  const noProxy = readNoProxy(values.no_proxy ?? '');
  const mode = values.help ? 'help' : values.interactive ? 'interactive' : values.check ? 'check' : 'install';
  return ok({
    mode,
    configFile: values['config-file'] === undefined ? '' : resolve(values['config-file']),
    host: values.host,
    out: values.out === undefined ? null : resolve(values.out),
    overrides: {
      ...(values.https_proxy === undefined ? {} : { 'proxy.https': values.https_proxy }),
      ...(values.http_proxy === undefined ? {} : { 'proxy.http': values.http_proxy }),
      ...(values.no_proxy === undefined || !noProxy.ok ? {} : { 'proxy.no': noProxy.value }),
      ...(values.pod_cidr === undefined ? {} : { 'network.podCidr': values.pod_cidr }),
      ...(values.svc_ip_range === undefined ? {} : { 'network.serviceIpRange': values.svc_ip_range }),
    },
    problems: noProxy.ok ? [] : [{ ...noProxy.error, where: '--no_proxy' }],
    passphraseFile: values['passphrase-file'] === undefined ? null : resolve(values['passphrase-file']),
    prefix: values.prefix === undefined || values.prefix === '/' ? '' : values.prefix.replace(/\/+$/, ''),
    start: !values['no-start'],
    json: values.json,
  });
}

const parse = (args: readonly string[]) =>
  parseArgs({ args: withoutTruth(args), options: INSTALL_OPTIONS, allowPositionals: false, strict: true });

/** `-o true` is `-o`, and `-o false` is nothing; the same for `-s` and `--silent=true`. */
function withoutTruth(args: readonly string[]): string[] {
  const plain: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const [name = '', attached] = (args[at] ?? '').split('=');
    const isSwitch = ['-o', '-s', '--interactive', '--silent'].includes(name);
    const next = attached ?? args[at + 1];
    if (!isSwitch || (next !== 'true' && next !== 'false')) {
      plain.push(args[at] ?? '');
      continue;
    }
    if (next === 'true') plain.push(name);
    if (attached === undefined) at += 1;
  }
  return plain;
}

function misuse(values: ReturnType<typeof parse>['values']): string | null {
  const { interactive, silent, check, host, prefix, json } = values;
  if (!interactive && !silent && !check) return 'say what to do: -o true, -s true -c pcg.yaml, or --check -c pcg.yaml';
  if (interactive && (silent || check)) return '-o asks and writes pcg.yaml: it goes with neither -s nor --check';
  if (interactive && (host || values['config-file'] !== undefined))
    return '-o takes neither -c nor --host: give them with -s true';
  if (!interactive && values['config-file'] === undefined) return '-c pcg.yaml is missing';
  if (!interactive && values.out !== undefined) return '--out goes with -o true';
  if (!host && (prefix !== undefined || values['no-start'])) return '--prefix and --no-start go with --host';
  if (json && !check) return '--json goes with --check';
  if (prefix !== undefined && !isAbsolute(prefix)) return '--prefix must be an absolute path';
  return null;
}
