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
  node: { type: 'string' },
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
  readonly mode: 'help' | 'interactive' | 'check' | 'install' | 'node';
  /** Absolute; empty in interactive mode and with --node. */
  readonly configFile: string;
  readonly host: boolean;
  /** Absolute: the folder of --node. */
  readonly node: string | null;
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
  return ok({
    mode: modeOf(values),
    configFile: values['config-file'] === undefined ? '' : resolve(values['config-file']),
    host: values.host,
    node: values.node === undefined ? null : resolve(values.node),
    out: values.out === undefined ? null : resolve(values.out),
    overrides: {
      ...proxyOverrides(values, noProxy),
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

/** `slipway-relay uninstall`: what of these it takes. */
export const UNINSTALL_OPTIONS = {
  'config-file': INSTALL_OPTIONS['config-file'],
  https_proxy: INSTALL_OPTIONS.https_proxy,
  http_proxy: INSTALL_OPTIONS.http_proxy,
  no_proxy: INSTALL_OPTIONS.no_proxy,
  'passphrase-file': INSTALL_OPTIONS['passphrase-file'],
  json: INSTALL_OPTIONS.json,
  help: INSTALL_OPTIONS.help,
} as const;

export type UninstallArguments = Pick<
  InstallArguments,
  'configFile' | 'overrides' | 'problems' | 'passphraseFile' | 'json'
>;

export function parseUninstallArguments(args: readonly string[]): Result<UninstallArguments | 'help', string> {
  let values: ReturnType<typeof parseUninstall>['values'];
  try {
    values = parseUninstall(args).values;
  } catch (error) {
    return err(reasonOf(error));
  }
  if (values.help) return ok('help');
  if (values['config-file'] === undefined) return err('-c pcg.yaml is missing');
  const noProxy = readNoProxy(values.no_proxy ?? '');
  return ok({
    configFile: resolve(values['config-file']),
    overrides: proxyOverrides(values, noProxy),
    problems: noProxy.ok ? [] : [{ ...noProxy.error, where: '--no_proxy' }],
    passphraseFile: values['passphrase-file'] === undefined ? null : resolve(values['passphrase-file']),
    json: values.json,
  });
}

const parseUninstall = (args: readonly string[]) =>
  parseArgs({ args: [...args], options: UNINSTALL_OPTIONS, allowPositionals: false, strict: true });

type ProxyFlags = Partial<Record<'https_proxy' | 'http_proxy' | 'no_proxy', string | undefined>>;

const proxyOverrides = (flags: ProxyFlags, noProxy: Result<string[], unknown>): Overrides => ({
  ...(flags.https_proxy === undefined ? {} : { 'proxy.https': flags.https_proxy }),
  ...(flags.http_proxy === undefined ? {} : { 'proxy.http': flags.http_proxy }),
  ...(flags.no_proxy === undefined || !noProxy.ok ? {} : { 'proxy.no': noProxy.value }),
});

function modeOf(values: ReturnType<typeof parse>['values']): InstallArguments['mode'] {
  if (values.help) return 'help';
  if (values.node !== undefined) return 'node';
  if (values.interactive) return 'interactive';
  return values.check ? 'check' : 'install';
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
  const { interactive, silent, check, host, node, prefix, json } = values;
  if (prefix !== undefined && !isAbsolute(prefix)) return '--prefix must be an absolute path';
  if (node !== undefined) return misuseOfNode(values);
  if (!interactive && !silent && !check) return 'say what to do: -o true, -s true -c pcg.yaml, or --check -c pcg.yaml';
  if (interactive && (silent || check)) return '-o asks and writes pcg.yaml: it goes with neither -s nor --check';
  if (interactive && (host || values['config-file'] !== undefined))
    return '-o takes neither -c nor --host: give them with -s true';
  if (!interactive && values['config-file'] === undefined) return '-c pcg.yaml is missing';
  if (!interactive && values.out !== undefined) return '--out goes with -o true';
  if (!host && (prefix !== undefined || values['no-start'])) return '--prefix and --no-start go with --host or --node';
  if (json && !check && (host || interactive)) return '--json goes with --check, or with -s without --host';
  return null;
}

const WITH_NODE = ['node', 'prefix', 'no-start'];

function misuseOfNode(values: ReturnType<typeof parse>['values']): string | null {
  const other = Object.entries(values).find(
    ([name, value]) => value !== undefined && value !== false && !WITH_NODE.includes(name),
  );
  return other === undefined ? null : `--node takes no --${other[0]}: all it needs is in its folder`;
}
