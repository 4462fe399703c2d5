// A server's first minute as a state: refused, then 403 for all but system:masters, then 500 with the list, then ok.
import type { Clock } from './clock.ts';
import type { Phase } from './health.ts';

export type Startup = {
  /** Until the port is open. Needs a port given, since nobody could know a chosen one. Milliseconds, as all here. */
  readonly listenAfterMs: number;
  /** From then until roles are known. About 2,000 on a real server. */
  readonly rolesAfterMs: number;
  /** From then until /readyz says ok. About 600 on a real server. */
  readonly readyAfterMs: number;
};

export const IMMEDIATE: Startup = { listenAfterMs: 0, rolesAfterMs: 0, readyAfterMs: 0 };

/** Follows the phases once `begin` was called. */
export class StartupPhases {
  readonly #startup: Startup;
  readonly #clock: Clock;
  #phase: Phase;

  constructor(startup: Startup, clock: Clock) {
    this.#startup = startup;
    this.#clock = clock;
    this.#phase = startup.rolesAfterMs > 0 ? 'roles' : this.#afterRoles();
  }

  readonly current = (): Phase => this.#phase;

  begin(): void {
    if (this.#phase === 'roles') this.#clock.after(this.#startup.rolesAfterMs, () => this.#knowRoles());
    else this.#knowRoles();
  }

  #afterRoles(): Phase {
    return this.#startup.readyAfterMs > 0 ? 'hooks' : 'ready';
  }

  #knowRoles(): void {
    this.#phase = this.#afterRoles();
    if (this.#phase === 'ready') return;
    this.#clock.after(this.#startup.readyAfterMs, () => {
      this.#phase = 'ready';
    });
  }
}
