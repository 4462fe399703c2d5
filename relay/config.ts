// Settings of one relay: a YAML (or JSON) file, then the environment, which wins. Everything wrong is told at once, by the
// name the operator wrote. README.md lists the settings.
import { isIP } from 'node:net';
import { join } from 'node:path';
import { load as parseYaml } from 'js-yaml';
import { z } from 'zod';
import { ReleaseKey } from '../shared/release.ts';
import { err, ok, type Result } from '../shared/result.ts';
import { LOG_LEVELS, type LogLevel, reasonOf } from './log.ts';
import { normaliseEndpoint } from './maas/endpoint.ts';

export type ProxySettings = { readonly https: string | null; readonly http: string | null; readonly no: string[] };

export type Config = {
  readonly stateDir: string;
  /** Origin of the console, such as `https://slipway.example`; null when only the identity names it. */
  readonly console: string | null;
  readonly proxy: ProxySettings;
  /** Further authorities to trust for console and proxy, as PEM; null for the host's own only. */
  readonly caFile: string | null;
  readonly enrolment: {
    readonly host: string;
    readonly port: number;
    /** `host:port` as the machines reach it, a network or `interface:NAME` of this host; empty: this host's addresses. */
    readonly advertise: string[];
    /** Number of the authority that machines are given to pin (E3). */
    readonly authority: number;
    /** A machine must speak from an address that MAAS gives it, as far as MAAS says. */
    readonly checkSource: boolean;
  };
  /** MAAS endpoints that commands may name; null allows any. */
  readonly maasEndpoints: string[] | null;
  /** Raw Ed25519, base64url: signs the releases that this relay takes, whatever pairing pinned; null: what pairing pinned. */
  readonly releaseKey: string | null;
  readonly logLevel: LogLevel;
};

export type ConfigProblem = { readonly setting: string; readonly message: string };

type Environment = Readonly<Record<string, string | undefined>>;
type Setting = { readonly name: string; readonly path: readonly [string, string?]; readonly list?: true };

/** Environment name → place in the file. */
const SETTINGS: readonly Setting[] = [
  { name: 'SLIPWAY_STATE_DIR', path: ['stateDir'] },
  { name: 'SLIPWAY_CONSOLE', path: ['console'] },
  { name: 'SLIPWAY_CA_FILE', path: ['caFile'] },
  { name: 'SLIPWAY_ENROLMENT_LISTEN', path: ['enrolment', 'listen'] },
  { name: 'SLIPWAY_ENROLMENT_ADVERTISE', path: ['enrolment', 'advertise'], list: true },
  { name: 'SLIPWAY_ENROLMENT_AUTHORITY', path: ['enrolment', 'authority'] },
  { name: 'SLIPWAY_ENROLMENT_CHECK_SOURCE', path: ['enrolment', 'checkSource'] },
  { name: 'SLIPWAY_MAAS_ENDPOINTS', path: ['maasEndpoints'], list: true },
  { name: 'SLIPWAY_RELEASE_KEY', path: ['releaseKey'] },
  { name: 'SLIPWAY_LOG_LEVEL', path: ['logLevel'] },
  { name: 'HTTPS_PROXY', path: ['proxy', 'https'] },
  { name: 'HTTP_PROXY', path: ['proxy', 'http'] },
  { name: 'NO_PROXY', path: ['proxy', 'no'], list: true },
];

export const SETTING_NAMES: readonly string[] = SETTINGS.map(({ name }) => name);

const Origin = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    return refuse(context, 'is not a URL such as https://slipway.example');
  if (url.pathname !== '/' || url.search !== '' || url.username !== '')
    return refuse(context, 'must be an origin only: no path, query or user');
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    return refuse(context, 'must be https: plain http is taken for loopback only');
  return url.origin;
});

const ProxyUrl = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : null;
  // The text may hold a password, so it is not quoted.
  if (url === null || !/^https?:$/.test(url.protocol))
    return refuse(context, 'is not a URL such as http://proxy.example:3128');
  return text;
});

const HostPort = z.string().transform((text, context) => {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:\s/]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65_535) return refuse(context, 'is not of the form host:port');
  return { host, port: Number(port) };
});

const ADVERTISED_FORMS = 'is neither host:port nor a network such as 10.0.0.0/24 nor interface:NAME';

const Advertised = z.string().transform((text, context) => {
  if (/^interface:[^\s/]{1,15}$/.test(text) || z.cidrv4().safeParse(text).success) return text;
  const parsed = HostPort.safeParse(text);
  if (!parsed.success) return refuse(context, ADVERTISED_FORMS);
  const { host, port } = parsed.data;
  if (port === 0 || host === '0.0.0.0' || host === '::')
    return refuse(context, 'must be an address that machines can reach');
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
});

const MaasEndpoint = z.string().transform((text, context) => {
  const endpoint = normaliseEndpoint(text);
  return endpoint.ok ? endpoint.value : refuse(context, endpoint.error.detail);
});

/** As many as enrolment/authority-number.ts has names for. */
export const AUTHORITY_NUMBER_MAX = 99;
const NO_AUTHORITY = `is not a number from 0 to ${AUTHORITY_NUMBER_MAX}`;

const PublicKey = z
  .string()
  .refine((text) => ReleaseKey.safeParse(text).success, 'is not a raw Ed25519 public key in base64url, 43 characters');

export const ENROLMENT_LISTEN = '0.0.0.0:8443';
export const isEnrolmentPlace = (text: string): boolean => HostPort.safeParse(text).success;
/** Null when it can be advertised, else why not. */
export function advertisedFault(text: string): string | null {
  const checked = Advertised.safeParse(text);
  return checked.success ? null : (checked.error.issues[0]?.message ?? ADVERTISED_FORMS);
}

const ConfigFile = z.strictObject({
  stateDir: z.string().startsWith('/', 'must be an absolute path').default('/var/lib/slipway'),
  console: Origin.nullable().default(null),
  caFile: z.string().startsWith('/', 'must be an absolute path').nullable().default(null),
  enrolment: z
    .strictObject({
      listen: HostPort.prefault(ENROLMENT_LISTEN),
      advertise: z.array(Advertised).max(16).default([]),
      authority: z.coerce
        .number(NO_AUTHORITY)
        .int(NO_AUTHORITY)
        .min(0, NO_AUTHORITY)
        .max(AUTHORITY_NUMBER_MAX, NO_AUTHORITY)
        .default(0),
      checkSource: z
        .union(
          [z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')],
          'is neither true nor false',
        )
        .default(true),
    })
    .prefault({}),
  maasEndpoints: z.array(MaasEndpoint).max(64).nullable().default(null),
  releaseKey: PublicKey.nullable().default(null),
  logLevel: z.enum(LOG_LEVELS).default('info'),
  proxy: z
    .strictObject({
      https: ProxyUrl.nullable().default(null),
      http: ProxyUrl.nullable().default(null),
      no: z.array(z.string().min(1)).max(256).default([]),
    })
    .prefault({}),
});

/** @param file text of the settings file; null when there is none  @param environment such as `process.env` */
export function readConfig(file: string | null, environment: Environment): Result<Config, ConfigProblem[]> {
  const parsed = parseFile(file);
  if (!parsed.ok) return parsed;
  const merged = merge(parsed.value, environment);
  const checked = ConfigFile.safeParse(merged.settings);
  if (!checked.success) {
    return err(
      checked.error.issues.map(({ path, message }) => ({
        setting:
          merged.sources.get(path.slice(0, 2).join('.')) ?? merged.sources.get(String(path[0])) ?? path.join('.'),
        message,
      })),
    );
  }
  const {
    enrolment: { listen, ...enrolment },
    ...rest
  } = checked.data;
  return ok({
    ...rest,
    enrolment: { ...listen, ...enrolment },
  });
}

/** Where the settings file is. */
export function configPath(environment: Environment): { readonly path: string; readonly required: boolean } {
  const named = environment.SLIPWAY_CONFIG;
  return named === undefined || named === ''
    ? { path: join('/etc/slipway', 'relay.yaml'), required: false }
    : { path: named, required: true };
}

const Tree = z.record(z.string(), z.unknown());
type Tree = z.infer<typeof Tree>;

function parseFile(file: string | null): Result<Tree, ConfigProblem[]> {
  if (file === null) return ok({});
  const setting = 'settings file';
  try {
    const tree = Tree.safeParse(parseYaml(file) ?? {});
    return tree.success ? ok(tree.data) : err([{ setting, message: 'must hold settings by name' }]);
  } catch (error) {
    return err([{ setting, message: `is not YAML: ${reasonOf(error)}` }]);
  }
}

function merge(file: Tree, environment: Environment): { settings: Tree; sources: Map<string, string> } {
  const settings = structuredClone(file);
  const sources = new Map<string, string>();
  for (const { name, path, list } of SETTINGS) {
    // The lower-case forms are what curl and most tools read.
    const text = environment[name] ?? (name.endsWith('PROXY') ? environment[name.toLowerCase()] : undefined);
    if (text === undefined || text === '') continue;
    const [first, second] = path;
    const value = list
      ? text
          .split(',')
          .map((part) => part.trim())
          .filter((part) => part !== '')
      : text;
    if (second === undefined) settings[first] = value;
    else settings[first] = { ...Tree.catch({}).parse(settings[first]), [second]: value };
    sources.set(path.join('.'), name);
  }
  return { settings, sources };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function refuse(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
}
