// pcg.yaml: what a gateway is installed from. Everything wrong is told at once, by its path in the file.
import { dump, load as parseYaml } from 'js-yaml';
import { z } from 'zod';
import { AccountSharing } from '../../shared/project.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { advertisedFault, ENROLMENT_LISTEN, isEnrolmentPlace } from '../config.ts';
import { reasonOf } from '../log.ts';
import { type Flavour, Placement } from './flavour.ts';
import { type InstallCode, type InstallProblem, type Refusal, refusal } from './install-problem.ts';
import { overlapsOf, readCidr } from './networks.ts';
import { checkProxyPair, readConsole, readMaasEndpoint, readName, readNoProxy, readProxy } from './read-answer.ts';
import { parseReference, type SecretReference } from './secret.ts';

/** A text field, by the same reader that the prompts use. */
const by = <T>(read: (text: string) => Result<T, Refusal>) =>
  z.string().transform((text, context) => {
    const answer = read(text);
    return answer.ok ? answer.value : refuse(context, answer.error);
  });

const Secret = by<SecretReference>((text) => {
  const reference = parseReference(text);
  return reference === null
    ? err(refusal('SECRET_IN_PLAIN', 'is no file:/path, env:NAME or sealed text'))
    : ok(reference);
});
/** Never sealed in the file, since it is used once and not written: only where it is. */
const KeyReference = Secret.refine(
  (reference) => reference.kind !== 'sealed',
  'is an API key: give file:/path or env:NAME',
);
/** A URL without a password may stand as it is. */
const ProxyText = by<SecretReference | { readonly kind: 'plain'; readonly url: string }>((text) => {
  const reference = parseReference(text);
  if (reference !== null) return ok(reference);
  const url = readProxy(text);
  return url.ok ? ok({ kind: 'plain', url: url.value }) : url;
});
const Path = z.string().startsWith('/', 'must be an absolute path');
const Advertised = z.string().superRefine((text, context) => {
  const fault = advertisedFault(text);
  if (fault !== null) context.addIssue({ code: 'custom', message: fault });
});

const PcgFile = z.strictObject({
  version: z.literal(1),
  gateway: z.strictObject({ name: by(readName) }),
  console: z.strictObject({
    endpoint: by(readConsole),
    pairingCode: Secret.nullable().default(null),
    apiKey: KeyReference.nullable().default(null),
    caFile: Path.nullable().default(null),
  }),
  proxy: z
    .strictObject({
      https: ProxyText.nullable().default(null),
      http: ProxyText.nullable().default(null),
      no: z.array(by((text) => readNoProxy(text))).default([]),
    })
    .prefault({}),
  network: z.strictObject({ podCidr: by(readCidr), serviceIpRange: by(readCidr) }),
  maas: z.strictObject({ endpoint: by(readMaasEndpoint), apiKey: Secret, caFile: Path.nullable().default(null) }),
  /** Of the default cloud account: with which projects of the tenant it is shared. As it is when left out. */
  account: z.strictObject({ sharing: AccountSharing.optional() }).prefault({}),
  /** Where machines reach this host while it installs; not with --host, where relay.yaml has it. */
  enrolment: z
    .strictObject({
      listen: z.string().refine(isEnrolmentPlace, 'is not of the form host:port').default(ENROLMENT_LISTEN),
      advertise: z.array(Advertised).max(16).default([]),
    })
    .prefault({}),
  /** Not needed with --host. */
  placement: Placement.nullable().default(null),
});
export type PcgFile = z.infer<typeof PcgFile>;

/** What the flags say, by the path they stand for; they win over the file. */
export type Overrides = {
  readonly 'proxy.https'?: string;
  readonly 'proxy.http'?: string;
  readonly 'proxy.no'?: string[];
  readonly 'network.podCidr'?: string;
  readonly 'network.serviceIpRange'?: string;
};

const Tree = z.record(z.string(), z.unknown());
type Tree = z.infer<typeof Tree>;

export function readPcgFile(text: string, overrides: Overrides): Result<PcgFile, InstallProblem[]> {
  const tree = parseTree(text);
  if (!tree.ok) return err([{ ...tree.error, where: 'pcg.yaml' }]);
  // Passwords given by flag are the caller's choice; in the file they would stay.
  const plain = passwordsIn(tree.value);
  const settings = withOverrides(tree.value, overrides);
  const checked = PcgFile.safeParse(settings);
  const problems = [
    ...plain,
    ...(checked.success ? [] : checked.error.issues.map(problemOf)),
    ...crossProblems(settings),
  ];
  return checked.success && problems.length === 0 ? ok(checked.data) : err(problems);
}

function parseTree(text: string): Result<Tree, Refusal> {
  try {
    const tree = Tree.safeParse(parseYaml(text));
    return tree.success ? ok(tree.data) : err(refusal('CONFIG_UNREADABLE', 'holds no settings'));
  } catch (error) {
    return err(refusal('CONFIG_UNREADABLE', `is not YAML: ${reasonOf(error).split('\n')[0] ?? ''}`));
  }
}

const part = (tree: Tree, name: string): Tree => Tree.catch({}).parse(tree[name]);

function passwordsIn(tree: Tree): InstallProblem[] {
  return (['https', 'http'] as const).flatMap((name) => {
    const text = part(tree, 'proxy')[name];
    if (typeof text !== 'string' || parseReference(text) !== null || !hasPassword(text)) return [];
    return [{ ...refusal('SECRET_IN_PLAIN', 'holds a password in plain'), where: `proxy.${name}` }];
  });
}

export function hasPassword(url: string): boolean {
  return URL.canParse(url) && (new URL(url).username !== '' || new URL(url).password !== '');
}

function withOverrides(tree: Tree, overrides: Overrides): Tree {
  const settings = { ...tree };
  for (const [path, value] of Object.entries(overrides)) {
    const [section = '', field = ''] = path.split('.');
    settings[section] = { ...part(settings, section), [field]: value };
  }
  return settings;
}

const IssueCode = z.object({ params: z.object({ code: z.custom<InstallCode>() }) });

function problemOf(issue: z.core.$ZodIssue): InstallProblem {
  const named = IssueCode.safeParse(issue);
  const where = issue.path.join('.') || 'pcg.yaml';
  if (named.success) return { ...refusal(named.data.params.code, issue.message), where };
  return { ...refusal(issue.path.includes('flavour') ? 'FLAVOUR_INVALID' : 'FIELD_INVALID', issue.message), where };
}

/** What two fields say together. Looked at even when others are wrong, so that all is told at once. */
function crossProblems(settings: Tree): InstallProblem[] {
  const proxy = part(settings, 'proxy');
  const network = part(settings, 'network');
  const given = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
  const pair = checkProxyPair(given(proxy.https), given(proxy.http));
  const networks = { podCidr: given(network.podCidr) ?? '', serviceIpRange: given(network.serviceIpRange) ?? '' };
  return [...(pair === null ? [] : [{ ...pair, where: 'proxy' }]), ...overlapsOf(networks, [])];
}

function refuse(context: z.RefinementCtx, { code, detail }: Refusal): never {
  context.addIssue({ code: 'custom', message: detail, params: { code } });
  return z.NEVER;
}

/** The texts that go into the file. Secrets are references or sealed by now. */
export type PcgTexts = {
  readonly name: string;
  readonly console: string;
  /** `null`: an API key is given at the install. */
  readonly pairingCode: string | null;
  readonly consoleCaFile: string | null;
  readonly httpsProxy: string | null;
  readonly httpProxy: string | null;
  readonly noProxy: readonly string[];
  readonly podCidr: string;
  readonly serviceIpRange: string;
  readonly maasEndpoint: string;
  readonly maasKey: string;
  readonly maasCaFile: string | null;
  readonly zone: string | null;
  readonly flavour: z.infer<typeof Flavour>;
  readonly nodes: 1 | 3;
};

/** @param madeAt ISO text of the moment */
export function writePcgFile(texts: PcgTexts, madeAt: string): string {
  const file = {
    version: 1,
    gateway: { name: texts.name },
    console: { endpoint: texts.console, pairingCode: texts.pairingCode, caFile: texts.consoleCaFile },
    proxy: { https: texts.httpsProxy, http: texts.httpProxy, no: [...texts.noProxy] },
    network: { podCidr: texts.podCidr, serviceIpRange: texts.serviceIpRange },
    maas: { endpoint: texts.maasEndpoint, apiKey: texts.maasKey, caFile: texts.maasCaFile },
    placement: { zone: texts.zone, flavour: texts.flavour, nodes: texts.nodes },
  };
  return (
    `# Settings of a Slipway gateway, made by \`slipway-relay install -o true\` at ${madeAt}.\n` +
    '# Secrets are sealed to the passphrase given then, or are env:NAME or file:/path. To change one, write a reference.\n' +
    `# Check: slipway-relay install --check -c THIS_FILE\n${dump(file, { lineWidth: -1 })}`
  );
}
