// What a machine finds in its user-data: the files that cloud-init would write, and from them where and how to enrol. The
// simulated driver reads what the enrolment script would read; a missing file is an error, as it would be for the script.
import { load } from 'js-yaml';
import { z } from 'zod';
import { err, ok, type Result } from '../../../shared/result.ts';

const FOLDER = '/var/lib/slipway';

const CloudConfig = z.object({
  write_files: z.array(z.object({ path: z.string(), permissions: z.string(), content: z.string() })),
  runcmd: z.array(z.union([z.string(), z.array(z.string())])),
});

export type Enrolment = {
  readonly claim: string;
  readonly systemId: string;
  readonly serverName: string;
  readonly relays: readonly { readonly host: string; readonly port: number }[];
  readonly caPem: string;
  /** The value of the Authorization header. */
  readonly authorization: string;
};

export function readUserData(bytes: Uint8Array): Result<Enrolment, string> {
  const text = new TextDecoder().decode(bytes);
  if (!text.startsWith('#cloud-config\n')) return err('user-data is not #cloud-config');
  const parsed = CloudConfig.safeParse(load(text));
  if (!parsed.success) return err(`user-data: ${z.prettifyError(parsed.error)}`);
  const file = (name: string): string | undefined =>
    parsed.data.write_files.find((one) => one.path === `${FOLDER}/${name}`)?.content;
  const [environment, caPem, authorization] = [file('enrolment.env'), file('enrolment-ca.pem'), file('authorization')];
  if (environment === undefined || caPem === undefined || authorization === undefined)
    return err('user-data has no enrolment files');
  const values = new Map(
    environment.split('\n').flatMap((line): [string, string][] => {
      const [, name, value] = /^([A-Z_]+)='([^']*)'$/.exec(line) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value]];
    }),
  );
  return ok({
    claim: values.get('CLAIM') ?? '',
    systemId: values.get('SYSTEM_ID') ?? '',
    serverName: values.get('SERVER_NAME') ?? '',
    relays: readAddresses(values.get('RELAYS') ?? ''),
    caPem,
    authorization: authorization.replace(/^Authorization:\s*/, '').trim(),
  });
}

/** `host:port host:port …`, as user-data and the endpoint's answers have it. */
export function readAddresses(text: string): Enrolment['relays'] {
  const relays = text.split(' ').filter((one) => one !== '');
  return relays.map((relay) => ({
    host: relay.slice(0, relay.lastIndexOf(':')),
    port: Number(relay.slice(relay.lastIndexOf(':') + 1)),
  }));
}
