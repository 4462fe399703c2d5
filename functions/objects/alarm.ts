// The one alarm of an object, as a port.
import type { EpochMs } from '../../shared/ids.ts';

export type Alarm = {
  /** Replaces the alarm; null takes it away. Commits with the writes made in the same turn (Cloudflare coalesces them). */
  set(at: EpochMs | null): void;
  /** The alarm went off (perhaps early), so none is armed now. */
  fired(): void;
};

export function workerdAlarm(storage: DurableObjectStorage): Alarm {
  // Each setAlarm is a billed row: a repeat of the same moment is left out. Undefined after a wake: not known yet.
  let armed: EpochMs | null | undefined;
  return {
    fired() {
      armed = undefined;
    },
    set(at) {
      if (armed === at) return;
      armed = at;
      // A failed write breaks the output gate and resets the object, so there is nothing to handle here.
      void (at === null ? storage.deleteAlarm() : storage.setAlarm(at));
    },
  };
}
