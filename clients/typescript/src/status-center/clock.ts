// When entries close by themselves. Time stands still while anything holds it: the pointer, the focus, an open panel, a page
// out of sight. Must never close an entry within half a second of the end of a pause.

const GRACE = 500; // milliseconds

export class Clock {
  readonly #due: (id: string) => void;
  readonly #left = new Map<string, number>();
  readonly #held = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #since = 0;

  /** `due` hears which entry's time is over. */
  constructor(due: (id: string) => void) {
    this.#due = due;
  }

  /** Heeds the page's visibility until the answer is called. */
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

  /** Gives an entry this many milliseconds from now. */
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

  /** Holds the clock for a reason, or lets it go; it runs while no reason is left. */
  hold(reason: string, held: boolean): void {
    if (held === this.#held.has(reason)) return;
    this.#pass();
    if (held) this.#held.add(reason);
    else this.#held.delete(reason);
    if (!held) for (const [id, left] of this.#left) this.#left.set(id, Math.max(left, GRACE));
    this.#wind();
  }

  /** Takes off the time that went by. */
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
