// How a timeline is read, of a cluster and of a gateway alike.
import { z } from 'zod';
import { TimelineEntry } from '../../shared/cluster-view.ts';
import { API_PAGE_SIZE_DEFAULT, API_PAGE_SIZE_MAX } from '../../shared/limits.ts';

/** `after`: the last `seq` that was read. */
export const TimelineQuery = z.strictObject({
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(API_PAGE_SIZE_MAX).default(API_PAGE_SIZE_DEFAULT),
});

export const TimelinePage = z.strictObject({ items: z.array(TimelineEntry) });
