// The gateway's own machines in its SQLite: which cluster they are, and what an installer registered last.
import { z } from 'zod';
import { ClusterId } from '../../shared/ids.ts';
import { GatewayMachines, Installation } from '../../shared/installation.ts';
import { MachinesRelease } from '../../shared/release.ts';
import { rowsOf, type Sql } from './sql.ts';

const json = <T>(schema: z.ZodType<T>) =>
  z
    .string()
    .transform((text) => schema.parse(JSON.parse(text)))
    .nullable();

/** Installers at work on one gateway are one, or by mistake two; the newest are known. */
const RUNS_MAX = 8;
const runsOf = (text: string): string[] => z.array(z.string()).parse(JSON.parse(text));

const OwnRow = z
  .object({
    installation: json(Installation),
    cluster_id: ClusterId.nullable(),
    machines: json(GatewayMachines),
    relays_told: z.string().nullable(),
    giving_back: z.int(),
    runs: z.string().transform(runsOf),
    release: json(MachinesRelease),
    notices: z.int(),
  })
  .transform((row) => ({
    /** As it was last taken whole; null before. */
    installation: row.installation,
    /** The cluster of kind `gateway`, and what it was asked to be. */
    cluster:
      row.cluster_id === null || row.machines === null
        ? null
        : { id: row.cluster_id, machines: row.machines, isGivingBack: row.giving_back === 1, runs: row.runs },
    /** What that cluster was last told of the relays, for certain: null from before a notice goes out until it is heard. */
    relaysTold: row.relays_told,
    /** What they run, as they were made or last changed; null when that is not known. */
    release: row.release,
    notices: row.notices,
  }));
export type OwnRecord = z.infer<typeof OwnRow>;
export type OwnClusterRecord = NonNullable<OwnRecord['cluster']>;

const NONE: OwnRecord = { installation: null, cluster: null, relaysTold: null, release: null, notices: 0 };

export type OwnCluster = ReturnType<typeof ownCluster>;

export function ownCluster(sql: Sql) {
  const change = (assignment: string, ...values: readonly (string | null)[]): void => {
    sql.transaction(() => {
      sql.run('INSERT OR IGNORE INTO own (one) VALUES (1)');
      sql.run(`UPDATE own SET ${assignment}`, ...values);
    });
  };
  /** Of a gateway that was created. */
  const read = (): OwnRecord => rowsOf(sql, OwnRow, 'SELECT * FROM own')[0] ?? NONE;
  return {
    read,
    /**
     * Before anything is asked of anybody else: whoever repeats it asks for the same cluster.
     * @param run the process that asks for it
     */
    begin: (id: ClusterId, machines: GatewayMachines, run: string, release: MachinesRelease | null) => {
      const values = [id, JSON.stringify(machines), JSON.stringify([run]), release && JSON.stringify(release)] as const;
      change('cluster_id = ?, machines = ?, runs = ?, release = ?, relays_told = NULL, giving_back = 0', ...values);
    },
    /** All of them run it. */
    runs: (release: MachinesRelease) => change('release = ?', JSON.stringify(release)),
    /** One more process asks for the same cluster. */
    joinedBy: (run: string) => {
      const others = (read().cluster?.runs ?? []).filter((other) => other !== run);
      change('runs = ?', JSON.stringify([...others, run].slice(-RUNS_MAX)));
    },
    /** Another one is to take its place, once it is gone. */
    giveBack: () => change('giving_back = 1, installation = NULL'),
    /** It is gone, or never was. */
    forget: () =>
      change(
        "cluster_id = NULL, machines = NULL, runs = '[]', relays_told = NULL, installation = NULL, giving_back = 0",
      ),
    taken: (installation: Installation) => change('installation = ?', JSON.stringify(installation)),
    told: (relays: string) => change('relays_told = ?', relays),
    /** Of a notice to that cluster, which may be heard though nobody hears of it: rises for as long as the gateway stands. */
    nextNotice: (): number => {
      change('notices = notices + 1, relays_told = NULL');
      return read().notices;
    },
  };
}
