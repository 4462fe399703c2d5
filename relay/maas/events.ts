// MAAS's event log, to learn cheaply which machines changed. Never the whole truth: PostgreSQL hands out ids before it
// commits, so a late commit can hide behind a newer id. A full pass each minute (ruling 13.8) finds what was missed.
import { z } from 'zod';
import { SystemId } from '../../shared/ids.ts';
import type { MaasFailure } from '../../shared/maas-failure.ts';
import { ok, type Result } from '../../shared/result.ts';
import type { MaasClient } from './client.ts';

/** MAAS refuses more (recorded). */
const EVENTS_MAX = 1_000;

const MaasEvent = z
  .object({
    id: z.int().nonnegative(),
    node: z.string(),
    type: z.string(),
    level: z.string(),
    description: z.string().nullish(),
  })
  .transform((event) => {
    const systemId = SystemId.safeParse(event.node);
    return {
      id: event.id,
      /** null for events of no machine. */
      systemId: systemId.success ? systemId.data : null,
      type: event.type,
      level: event.level,
      description: (event.description ?? '').slice(0, 500),
    };
  });
export type MaasEvent = z.infer<typeof MaasEvent>;

const Listed = z.object({ events: z.array(MaasEvent) });

export type EventPage = {
  /** Oldest first. */
  readonly events: MaasEvent[];
  /** Give it to the next call; the same as given when nothing happened. */
  readonly lastId: number;
  /** MAAS may hold more: ask again at once. */
  readonly more: boolean;
};

/** Events newer than `afterId`, oldest of them first in line (api/events.py). May be repeated. */
export async function eventsAfter(maas: MaasClient, afterId: number): Promise<Result<EventPage, MaasFailure>> {
  const listed = await query(maas, [
    ['after', String(afterId)],
    ['limit', String(EVENTS_MAX)],
  ]);
  if (!listed.ok) return listed;
  const events = listed.value.filter((event) => event.id > afterId).sort((one, other) => one.id - other.id);
  return ok({ events, lastId: events.at(-1)?.id ?? afterId, more: listed.value.length >= EVENTS_MAX });
}

/** The id to start from: that of the newest event, 0 when there is none. */
export async function lastEventId(maas: MaasClient): Promise<Result<number, MaasFailure>> {
  const listed = await query(maas, [['limit', '1']]);
  return listed.ok ? ok(listed.value[0]?.id ?? 0) : listed;
}

async function query(
  maas: MaasClient,
  filter: readonly (readonly [string, string])[],
): Promise<Result<MaasEvent[], MaasFailure>> {
  const asked = await maas.get({
    operation: 'events.query',
    path: 'events/',
    query: [['op', 'query'], ...filter],
    answer: Listed,
  });
  return asked.ok ? ok(asked.value.events) : asked;
}
