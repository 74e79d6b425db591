// Chooses the tab that reads the stream for all tabs of an origin: the one that holds a Web Lock. The others receive
// its events over a BroadcastChannel. If the runtime lacks either, each tab has its own stream. Must never leave tabs
// without a reader when one is closed or frozen.

import type { Job, JobEvent, ProblemDocument } from "../core/types.js";
import type { Connection } from "./view.js";

/** The events of a job that a tab wants. */
export interface Want {
  /** All events, not only those that change the state. */
  all: boolean;
  /** The tab has received everything up to this event. */
  after: number;
  /** Increases with each new subscription to all events, which needs the events after `after` again. */
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
  /** This tab reads for all tabs until the signal is aborted. */
  lead(signal: AbortSignal): void;
  /** It is time to send a sign of life. */
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
          // At once, because a page that is being frozen runs no later code.
          held.abort();
          release();
        });
        this.#lead(held.signal);
      });
    try {
      await navigator.locks.request(name, steal ? { steal } : { signal }, hold);
    } catch {
      // The wait was aborted, or another tab took the lock: `finally` stops the reading.
    } finally {
      held.abort();
    }
    if (!signal.aborted) await this.#wait(name, signal);
  }

  /** The reader sends signs of life; the other tabs check them. */
  #look(signal: AbortSignal): void {
    if (this.leads) return this.#listener.beat();
    if (Date.now() - this.#heard < DEAD || globalThis.document?.visibilityState === "hidden") return;
    this.#heard = Date.now();
    void this.#wait(this.#name!, signal, true);
  }
}
