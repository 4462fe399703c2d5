/** Work that one runs at a time. Whoever asks while it runs gets one more run after it, so nothing that came late is missed. */
export class SingleFlight {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | null = null;
  #again = false;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** Resolves when the work is done; rejects as the work does, and may then be tried again. */
  run(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#loop();
    return this.#running;
  }

  async #loop(): Promise<void> {
    // Lets the caller's turn end first, so that its writes are one commit.
    await Promise.resolve();
    try {
      while (this.#again) {
        this.#again = false;
        await this.#work();
      }
    } finally {
      this.#running = null;
    }
  }
}
