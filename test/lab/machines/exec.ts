// Real hosts, plugged in by a program of the user's: `PROGRAM on|off|status SYSTEM_ID` switches one host, within 60 s.
// `status` prints `on` or `off`. The host boots by itself and fetches its user-data from the metadata service, which is when
// the lab's MAAS calls it Deployed, as a real one does. What the host needs is in the environment:
//   SLIPWAY_HOSTNAME, SLIPWAY_ADDRESS, SLIPWAY_MAC, SLIPWAY_METADATA_URL, SLIPWAY_USER_DATA (a path),
//   SLIPWAY_METADATA_CONSUMER_KEY, SLIPWAY_METADATA_TOKEN_KEY, SLIPWAY_METADATA_TOKEN_SECRET
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { err, ok, type Result } from '../../../shared/result.ts';
import type {
  BootingMachine,
  CreateMachineDriver,
  DriverContext,
  DriverFailure,
  MachineDriver,
} from '../machine-driver.ts';

/** The issue's bound on one call of PROGRAM. */
const PROGRAM_MS_MAX = 60_000;
const OUTPUT_BYTES_MAX = 65_536;

export const createMachineDriver: CreateMachineDriver = async (context) => {
  if (context.argument === '') throw new Error('the exec driver takes a program: --driver exec:PROGRAM');
  const folder = await mkdtemp(join(tmpdir(), 'slipway-exec-'));
  return execDriver(context, folder);
};

function execDriver(context: DriverContext, folder: string): MachineDriver {
  const known = new Map<string, Record<string, string>>();
  const call = (verb: 'on' | 'off' | 'status', systemId: string): Promise<Result<string, DriverFailure>> =>
    runProgram(context.argument, [verb, systemId], known.get(systemId) ?? {}, context.log);
  return {
    name: 'exec',
    powerOn: async (machine) => {
      known.set(machine.systemId, await environmentOf(machine, folder));
      return asDone(await call('on', machine.systemId));
    },
    powerOff: async (systemId) => asDone(await call('off', systemId)),
    status: async (systemId) => {
      const said = await call('status', systemId);
      // A program that can't tell is taken as on: the lab must not believe a machine off that may run.
      return said.ok && said.value.trim() === 'off' ? 'off' : 'on';
    },
    close: async () => {
      for (const systemId of known.keys()) await call('off', systemId);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function environmentOf(machine: BootingMachine, folder: string): Promise<Record<string, string>> {
  const userData = join(folder, `${machine.systemId}.user-data`);
  await writeFile(userData, machine.userData, { mode: 0o600 });
  return {
    SLIPWAY_HOSTNAME: machine.hostname,
    SLIPWAY_ADDRESS: machine.address,
    SLIPWAY_MAC: machine.mac,
    SLIPWAY_METADATA_URL: machine.metadataUrl,
    SLIPWAY_USER_DATA: userData,
    SLIPWAY_METADATA_CONSUMER_KEY: machine.metadataOauth.consumerKey,
    SLIPWAY_METADATA_TOKEN_KEY: machine.metadataOauth.tokenKey,
    SLIPWAY_METADATA_TOKEN_SECRET: machine.metadataOauth.tokenSecret,
  };
}

function runProgram(
  program: string,
  args: readonly string[],
  environment: Record<string, string>,
  log: (line: string) => void,
): Promise<Result<string, DriverFailure>> {
  return new Promise((resolve) => {
    execFile(
      program,
      [...args],
      {
        env: { ...process.env, ...environment },
        timeout: PROGRAM_MS_MAX,
        maxBuffer: OUTPUT_BYTES_MAX,
        killSignal: 'SIGKILL',
      },
      (error, stdout, stderr) => {
        if (error === null) return resolve(ok(stdout));
        log(`${program} ${args.join(' ')}: ${error.message} ${stderr.slice(0, 500)}`);
        resolve(
          err({
            code: 'DRIVER_FAILED',
            detail: `${program} ${args.join(' ')} failed: ${error.killed ? 'no answer in 60 s' : `exit ${error.code ?? '?'}`}`,
          }),
        );
      },
    );
  });
}

const asDone = (result: Result<string, DriverFailure>): Result<void, DriverFailure> =>
  result.ok ? ok(undefined) : result;
