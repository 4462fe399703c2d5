// A host to install on: a folder that stands for its root, and a pcg.yaml.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../support/control-plane.ts';
import { type RelayProcess, runRelay } from '../support/relay-process.ts';
import { type InstallSite, pcgYaml, type Ran, runProgram } from './install-site.ts';

/** A pcg.yaml and a prefix of their own. */
export function targetHost(site: InstallSite, name: string, more: Record<string, unknown> = {}) {
  const prefix = join(site.folder, name, 'root');
  mkdirSync(prefix, { recursive: true });
  const file = join(site.folder, name, 'pcg.yaml');
  writeFileSync(file, pcgYaml(site, name, more));
  return {
    prefix,
    file,
    state: join(prefix, 'var/lib/slipway'),
    install: (environment: Record<string, string>, flags: readonly string[] = ['--no-start']): Promise<Ran> =>
      runProgram(['-s', 'true', '-c', file, '--host', '--prefix', prefix, ...flags], {
        MAAS_KEY: site.lab.userKey,
        ...environment,
      }),
    run: async (): Promise<RelayProcess> => {
      const relay = runRelay({
        stateDir: join(prefix, 'var/lib/slipway'),
        consoleUrl: site.controlPlane.url,
        enrolment: `127.0.0.1:${await freePort()}`,
        environment: { SLIPWAY_CONFIG: join(prefix, 'etc/slipway/relay.yaml') },
        log: () => {},
      });
      return relay;
    },
  };
}
