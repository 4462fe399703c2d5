// systemd's programs, as far as the installer calls them, since a test has no systemd of its own.
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MAIN } from './install-site.ts';

/** Stand-ins for systemd's programs: they note how they are called and what any process list would show, and start the relay. */
export function fakePrograms(prefix: string, port: number) {
  const folder = join(prefix, '..', 'programs');
  mkdirSync(folder, { recursive: true });
  const [calls, processes, pid, log] = ['calls', 'processes', 'pid', 'log'].map((name) => join(folder, name));
  writeFileSync(calls ?? '', '');
  const note = `cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' >> ${processes}`;
  const environment = `SLIPWAY_CONFIG=${prefix}/etc/slipway/relay.yaml SLIPWAY_ENROLMENT_LISTEN=127.0.0.1:${port}`;
  const start = `if [ "$1" = restart ]; then ${environment} setsid ${process.execPath} ${MAIN} run >${log} 2>&1 & echo $! > ${pid}; fi`;
  writeFileSync(join(folder, 'systemctl'), `#!/bin/sh\necho "$@" >> ${calls}\n${note}\n${start}\nexit 0\n`);
  writeFileSync(join(folder, 'systemd-sysusers'), `#!/bin/sh\n${note}\nexit 0\n`);
  writeFileSync(join(folder, 'journalctl'), `#!/bin/sh\ncat ${log}\n`);
  for (const name of ['systemctl', 'systemd-sysusers', 'journalctl']) chmodSync(join(folder, name), 0o755);
  return {
    folder,
    calls: () =>
      readFileSync(calls ?? '', 'utf8')
        .trim()
        .split('\n'),
    processes: () => readFileSync(processes ?? '', 'latin1'),
    stop: () =>
      new Promise<void>((resolve) => {
        spawn('kill', [readFileSync(pid ?? '', 'utf8').trim()]).on('close', () => resolve());
      }),
  };
}
