// Boots user-data by the real cloud-init, as far as a test needs: all four stages with the NoCloud datasource, in an overlay
// of a Debian root and in namespaces of its own, with stand-ins for the programs a bootstrap calls. The network is this
// machine's, so that the relay on loopback can be reached; cloud-init is told to leave it alone. Needs root.
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** A boot takes 3–6 s; the rest is for a machine that is busy. */
const BOOT_MS_MAX = 120_000;

export type CloudInitRun = {
  /** Of a file in the machine as it was left; null when there is none. */
  readonly read: (path: string) => Promise<string | null>;
  /** `cloud-init status --long` and everything the stages printed. */
  readonly output: string;
  readonly remove: () => Promise<void>;
};

/** What runs inside the namespaces. $1 is the root, $2 a folder with `user-data` and `bin/`, where the result is left too. */
const INSIDE = String.raw`
set -e
mount --make-rprivate /
mkdir -p "$2/layers" && mount -t tmpfs tmpfs "$2/layers"
mkdir "$2/layers/upper" "$2/layers/work" "$2/layers/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/layers/upper,workdir=$2/layers/work" "$2/layers/root"
root=$2/layers/root
hostname slipway-test
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount --rbind /dev "$root/dev"
mkdir -p "$root/run/cloud-init" "$root/var/lib/cloud/seed/nocloud" "$root/etc/cloud/cloud.cfg.d" "$root/usr/local/bin"
cp "$2/user-data" "$root/var/lib/cloud/seed/nocloud/user-data"
printf 'instance-id: i-slipway\nlocal-hostname: slipway-test\n' >"$root/var/lib/cloud/seed/nocloud/meta-data"
printf '%s\n' 'datasource_list: [ NoCloud ]' 'network: {config: disabled}' 'ssh_deletekeys: false' 'ssh_genkeytypes: []' \
  'manage_etc_hosts: false' 'locale: false' >"$root/etc/cloud/cloud.cfg.d/90_slipway.cfg"
cp "$2"/bin/* "$root/usr/local/bin/"
inside() { chroot "$root" env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@" 2>&1 || true; }
inside cloud-init init --local
inside cloud-init init
inside cloud-init modules --mode=config
inside cloud-init modules --mode=final
inside cloud-init status --long
mkdir "$2/left"
cp -a "$2/layers/upper/." "$2/left/"
`;

/** @param standIns name → bash script, put on the machine's PATH before everything else */
export async function runCloudInit(
  root: string,
  userData: string,
  standIns: Readonly<Record<string, string>>,
): Promise<CloudInitRun> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-cloud-init-'));
  await writeFile(join(folder, 'user-data'), userData);
  await mkdir(join(folder, 'bin'));
  for (const [name, script] of Object.entries(standIns)) {
    await writeFile(join(folder, 'bin', name), `#!/bin/bash\n${script}\n`);
    await chmod(join(folder, 'bin', name), 0o755);
  }
  const { stdout } = await run(
    'unshare',
    ['-m', '-u', '-i', '-p', '--fork', '--kill-child', 'bash', '-c', INSIDE, 'run-cloud-init', root, folder],
    { timeout: BOOT_MS_MAX, maxBuffer: 16 * 1_048_576 },
  );
  return {
    output: stdout,
    read: (path) => readFile(join(folder, 'left', path), 'utf8').catch(() => null),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
