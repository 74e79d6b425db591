// Closes entries after their time. The clock stops while something holds it: the pointer, the focus, an open panel, a
// hidden page. Must never close an entry within half a second of the end of a pause.

const GRACE = 500; // milliseconds

export class Clock {
  readonly #due: (id: string) => void;
  readonly #left = new Map<string, number>();
  readonly #held = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #since = 0;

  /** `due` is called with each entry whose time has passed. */
  constructor(due: (id: string) => void) {
    this.#due = due;
  }

  /** Follows the page's visibility until the returned function is called. */
  start(): () => void {
    const look = () => this.hold("hidden", document.visibilityState === "hidden");
    look();
    document.addEventListener("visibilitychange", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      clearTimeout(this.#timer);
      this.#left.clear();
    };
  }

  /** Schedules an entry to close this many milliseconds from now. */
  set(id: string, milliseconds: number): void {
    this.#pass();
    this.#left.set(id, milliseconds);
    this.#wind();
  }

  forget(id: string): void {
    if (!this.#left.delete(id)) return;
    this.#pass();
    this.#wind();
  }

  /** Adds or removes a reason to hold the clock; it runs while there is no reason. */
  hold(reason: string, held: boolean): void {
    if (held === this.#held.has(reason)) return;
    this.#pass();
    if (held) this.#held.add(reason);
    else this.#held.delete(reason);
    if (!held) for (const [id, left] of this.#left) this.#left.set(id, Math.max(left, GRACE));
    this.#wind();
  }

  /** Subtracts the elapsed time. */
  #pass(): void {
    clearTimeout(this.#timer);
    const passed = this.#held.size > 0 || this.#since === 0 ? 0 : Date.now() - this.#since;
    this.#since = Date.now();
    for (const [id, left] of this.#left) this.#left.set(id, left - passed);
  }

  #wind(): void {
    clearTimeout(this.#timer);
    if (this.#held.size > 0 || this.#left.size === 0) return;
    this.#timer = setTimeout(() => this.#ring(), Math.max(0, Math.min(...this.#left.values())));
  }

  #ring(): void {
    this.#pass();
    const over = [...this.#left].filter(([, left]) => left <= 0).map(([id]) => id);
    for (const id of over) this.#left.delete(id);
    this.#wind();
    for (const id of over) this.#due(id);
  }
}
