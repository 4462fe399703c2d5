// Trouble on order: what a test or a demo can make the lab's MAAS do wrong. The work of a call is never half done: a fault
// steps in before it, or after it when only the answer is lost.

import { z } from 'zod';

/** All that is given must fit; an empty match fits every call. */
const matchSchema = z.strictObject({
  /** `allocate`, or in full `machines.allocate`; plain endpoints are `machines.read`, `dnsresource.delete`, … */
  operation: z.string().optional(),
  systemId: z.string().optional(),
});

/** How long an armed fault lives: a number of calls, a number of milliseconds, whichever ends first; neither: until cleared. */
const lifeSchema = { times: z.number().int().positive().optional(), forMs: z.number().int().positive().optional() };

export const faultSchema = z.discriminatedUnion('kind', [
  /** The work is done, then the connection breaks without an answer. */
  z.strictObject({ kind: z.literal('lose-answer'), match: matchSchema.default({}), ...lifeSchema }),
  /** The call is not run; this is answered instead. `html` is what a proxy in front of MAAS sends. */
  z.strictObject({
    kind: z.literal('answer'),
    match: matchSchema.default({}),
    status: z.number().int().min(200).max(599),
    contentType: z.string().default('text/plain; charset=utf-8'),
    body: z.string().default(''),
    retryAfterSeconds: z.number().int().positive().optional(),
    ...lifeSchema,
  }),
  /** The connection breaks before the call is read: it never ran. */
  z.strictObject({ kind: z.literal('refuse-connection'), match: matchSchema.default({}), ...lifeSchema }),
  /** Every answer that fits waits so long after its work is done. */
  z.strictObject({
    kind: z.literal('delay'),
    match: matchSchema.default({}),
    delayMs: z.number().int().positive().max(600_000),
    ...lifeSchema,
  }),
]);
export type Fault = z.input<typeof faultSchema>;
type ParsedFault = z.output<typeof faultSchema>;

type Armed = { readonly fault: ParsedFault; readonly untilMs: number; left: number };
export type FaultedCall = { readonly operation: string; readonly systemId: string | null };

/** Faults armed at once; more is a runaway test. */
const ARMED_MAX = 1_000;

export type Faults = {
  /** Throws on a fault that the schema does not know: a mistake of the test. */
  arm(fault: Fault): void;
  /** From now on this key (`consumer:token:secret`) is as good as deleted. */
  denyKey(key: string): void;
  allowKey(key: string): void;
  isDenied(key: string): boolean;
  clear(): void;
  /** How many are armed and not used up. */
  armed(): number;
  /** The first armed fault of this kind that fits the call, used up by one. */
  take<K extends ParsedFault['kind']>(kind: K, call: FaultedCall): Extract<ParsedFault, { kind: K }> | null;
};

export const HTML_502 =
  '<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n';

export function createFaults(now: () => number): Faults {
  let armed: Armed[] = [];
  const denied = new Set<string>();
  const isLive = (candidate: Armed): boolean => candidate.left > 0 && candidate.untilMs > now();
  return {
    arm: (input) => {
      if (armed.length >= ARMED_MAX) throw new Error(`more than ${ARMED_MAX} faults are armed`);
      const fault = faultSchema.parse(input);
      const untilMs = fault.forMs === undefined ? Number.POSITIVE_INFINITY : now() + fault.forMs;
      armed.push({ fault, untilMs, left: fault.times ?? Number.POSITIVE_INFINITY });
    },
    denyKey: (key) => denied.add(key),
    allowKey: (key) => denied.delete(key),
    isDenied: (key) => denied.has(key),
    clear: () => {
      armed = [];
      denied.clear();
    },
    armed: () => armed.filter(isLive).length,
    take: (kind, call) => {
      armed = armed.filter(isLive);
      for (const candidate of armed) {
        const { fault } = candidate;
        if (!isKind(fault, kind) || !fits(fault, call)) continue;
        candidate.left -= 1;
        return fault;
      }
      return null;
    },
  };
}

const isKind = <K extends ParsedFault['kind']>(
  fault: ParsedFault,
  kind: K,
): fault is Extract<ParsedFault, { kind: K }> => fault.kind === kind;

function fits(fault: ParsedFault, call: FaultedCall): boolean {
  const { operation, systemId } = fault.match;
  if (systemId !== undefined && systemId !== call.systemId) return false;
  return operation === undefined || operation === call.operation || call.operation.endsWith(`.${operation}`);
}
