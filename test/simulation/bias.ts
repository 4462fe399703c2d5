// What a hunt for one seeded bug makes likelier than chance does: a swarm of lives drawn from the same seeds, with the rates raised
// where the bug lives. Lives without a bias are not moved by it.
import { z } from 'zod';
import { ACTS, CHANCES, type Chance } from './faults.ts';
import { WORKLOADS } from './scenario.ts';

const isChance = (kind: string): kind is Chance => Object.hasOwn(CHANCES, kind);

export const Bias = z
  .strictObject({
    workload: z.enum(WORKLOADS),
    relays: z.union([z.literal(1), z.literal(2)]),
    /** Whether a second cluster is after the same machines. */
    rival: z.boolean(),
    /** Machines beyond what the main cluster asks for. */
    spare: z.int(),
    /** When the main cluster's end is asked for, within this range after its creation. */
    end: z.strictObject({ kind: z.enum(['abort', 'delete']), afterMs: z.tuple([z.int(), z.int()]) }),
    stormMs: z.int(),
    /** Of a gateway that is upgraded: its machines go one by one to another image. */
    changesMachines: z.boolean(),
    /** Machines of the gateway. */
    gatewaySize: z.literal(3),
    /** From when on faults strike by their rates. */
    strikesAfterMs: z.int(),
    /** In place of those that the seed draws. */
    rates: z.custom<Readonly<Partial<Record<Chance, number>>>>(
      (rates) => z.record(z.string().refine(isChance), z.number().min(0).max(1)).safeParse(rates).success,
    ),
    /** No faults but these: nothing else comes in between. */
    only: z.boolean(),
    /** MAAS fails where it changes something, never where it is read. */
    sparesReads: z.boolean(),
    /** How long MAAS keeps a request that it takes its time with. Up to 29 s when left out: less than anybody waits for it. */
    lateRequestMs: z.tuple([z.int(), z.int()]),
    /** Acts of the nemesis beside those it draws, each so many times at moments between these two of the storm. */
    acts: z.array(z.strictObject({ act: z.enum(ACTS), times: z.int(), betweenMs: z.tuple([z.int(), z.int()]) })),
  })
  .partial();
export type Bias = z.infer<typeof Bias>;
