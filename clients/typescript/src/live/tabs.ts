// Which of an origin's tabs reads for all: the one that holds a Web Lock; the others hear it over a BroadcastChannel. Where
// a browser or runtime lacks either, each reads for itself. Must never leave tabs without a reader when one is closed or frozen.

import type { Job, JobEvent, ProblemDocument } from "../core/types.js";
import type { Connection } from "./view.js";

/** What a tab wants of a job. */
export interface Want {
  /** All its events, and not only those that change its state. */
  all: boolean;
  /** It has seen everything up to this event. */
  after: number;
  /** Grows with each new subscription to all events, which needs those from `after` on once more. */
  n: number;
}
export type Wants = Record<string, Want>;

export type Message =
  | { t: "want"; tab: string; jobs: Wants }
  | { t: "bye"; tab: string }
  | { t: "lead"; connection: Connection; problem?: ProblemDocument | undefined; ask?: boolean }
  | { t: "event"; event: JobEvent }
  | { t: "job"; job: Job; asked: number }
  | { t: "gone"; id: string; problem: ProblemDocument };

const BEAT = 10_000; // milliseconds between two signs of life of the reader
const DEAD = 45_000; // milliseconds without one until another tab takes over

export interface TabsListener {
  /** This tab reads for all until the signal is aborted. */
  lead(signal: AbortSignal): void;
  /** A sign of life is due. */
  beat(): void;
  hear(message: Message): void;
}

export class Tabs {
  readonly #name: string | undefined;
  readonly #listener: TabsListener;
  #channel: BroadcastChannel | undefined;
  #member = new AbortController();
  #heard = 0;
  leads = false;

  /** Without a name nothing is shared. */
  constructor(name: string | undefined, listener: TabsListener) {
    const can = typeof BroadcastChannel !== "undefined" && typeof navigator !== "undefined" && navigator.locks;
    this.#name = can ? name : undefined;
    this.#listener = listener;
  }

  join(): void {
    this.#member = new AbortController();
    const { signal } = this.#member;
    if (!this.#name) return this.#lead(signal);
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }: MessageEvent<Message>) => {
      if (data.t === "lead") this.#heard = Date.now();
      this.#listener.hear(data);
    };
    this.#heard = Date.now();
    void this.#wait(this.#name, signal);
    const timer = setInterval(() => this.#look(signal), BEAT);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  leave(): void {
    this.#member.abort();
    this.#channel?.close();
    this.#channel = undefined;
  }

  post(message: Message): void {
    this.#channel?.postMessage(message);
  }

  #lead(signal: AbortSignal): void {
    this.leads = true;
    signal.addEventListener("abort", () => {
      this.leads = false;
    });
    this.#listener.lead(signal);
  }

  /** Waits for the lock and holds it until this tab leaves or another one takes it away. */
  async #wait(name: string, signal: AbortSignal, steal = false): Promise<void> {
    const held = new AbortController();
    const hold = () =>
      new Promise<void>((release) => {
        if (signal.aborted) return release();
        signal.addEventListener("abort", () => {
          // At once, for a page that is being frozen does nothing later.
          held.abort();
          release();
        });
        this.#lead(held.signal);
      });
    try {
      await navigator.locks.request(name, steal ? { steal } : { signal }, hold);
    } catch {
      // Aborted while it waited, or taken away while it was held: `finally` ends the reading.
    } finally {
      held.abort();
    }
    if (!signal.aborted) await this.#wait(name, signal);
  }

  /** The reader says that it lives; the others look whether it does. */
  #look(signal: AbortSignal): void {
    if (this.leads) return this.#listener.beat();
    if (Date.now() - this.#heard < DEAD || globalThis.document?.visibilityState === "hidden") return;
    this.#heard = Date.now();
    void this.#wait(this.#name!, signal, true);
  }
}
