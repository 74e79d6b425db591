// What is kept over a reload and shared with other tabs: which jobs entries are about, and what was closed lately. Must never
// keep args, results, texts of errors or functions.

import { isOver, type StatusEntry, type StatusView } from "./status.js";

const KEPT = 24 * 60 * 60 * 1000; // milliseconds

/** The fields that are kept of an entry. */
const FIELDS = ["id", "type", "title", "status", "jobId", "href", "createdAt", "key", "dismissAfter"] as const;

export class Memory {
  readonly #key: string;
  #written = "";
  /** False while the server refuses: then nothing is kept for the next user of this browser. */
  allowed = true;

  constructor(scope: string) {
    this.#key = `tidemill:status:${scope}`;
  }

  read(): StatusView {
    try {
      const text = localStorage.getItem(this.#key) ?? "";
      this.#written = text;
      const { statuses, earlier } = JSON.parse(text);
      return { statuses: statuses.filter(isYoung), earlier: earlier.filter(isYoung) };
    } catch {
      return { statuses: [], earlier: [] };
    }
  }

  write({ statuses, earlier }: StatusView): void {
    // Without a job behind it nothing could say how an entry goes on.
    const bound = statuses.filter((entry) => entry.jobId && !isOver(entry));
    const text = this.allowed ? JSON.stringify({ statuses: bound.map(kept), earlier: earlier.map(kept) }) : "";
    if (text === this.#written) return;
    this.#written = text;
    try {
      localStorage.setItem(this.#key, text);
    } catch {
      // Full or forbidden: it lasts as long as the page.
    }
  }

  /** Hears when another tab wrote, until the answer is called. */
  listen(changed: () => void): () => void {
    const hear = (event: StorageEvent) => event.key === this.#key && event.newValue !== this.#written && changed();
    window.addEventListener("storage", hear);
    return () => window.removeEventListener("storage", hear);
  }
}

/** True if it is not too old to be kept. */
export function isYoung(entry: StatusEntry): boolean {
  return Date.now() - entry.createdAt < KEPT;
}

function kept(entry: StatusEntry): object {
  const actions = entry.actions?.filter((action) => !action.onClick);
  return { ...Object.fromEntries(FIELDS.map((field) => [field, entry[field]])), ...(actions?.length && { actions }) };
}
