// Stores entries for a reload and for other tabs: the jobs that unfinished entries are bound to, and the recently
// closed entries. Must never store args, results, texts of errors or functions.

import { isOver, type StatusEntry, type StatusView } from "./status.js";

const KEPT = 24 * 60 * 60 * 1000; // milliseconds

/** The stored fields of an entry. */
const FIELDS = ["id", "type", "title", "status", "jobId", "href", "createdAt", "key", "dismissAfter"] as const;

export class Memory {
  readonly #key: string;
  #written = "";
  /** False while the server refuses the token: then nothing is stored that the next user of this browser could see. */
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
    // An entry without a job is not stored, because nothing could update it after a reload.
    const bound = statuses.filter((entry) => entry.jobId && !isOver(entry));
    const text = this.allowed ? JSON.stringify({ statuses: bound.map(kept), earlier: earlier.map(kept) }) : "";
    if (text === this.#written) return;
    this.#written = text;
    try {
      localStorage.setItem(this.#key, text);
    } catch {
      // The storage is full or forbidden: the entries last only as long as the page.
    }
  }

  /** Calls the listener when another tab wrote, until the returned function is called. */
  listen(changed: () => void): () => void {
    const hear = (event: StorageEvent) => event.key === this.#key && event.newValue !== this.#written && changed();
    window.addEventListener("storage", hear);
    return () => window.removeEventListener("storage", hear);
  }
}

/** True if the entry is recent enough to be stored. */
export function isYoung(entry: StatusEntry): boolean {
  return Date.now() - entry.createdAt < KEPT;
}

function kept(entry: StatusEntry): object {
  const actions = entry.actions?.filter((action) => !action.onClick);
  return { ...Object.fromEntries(FIELDS.map((field) => [field, entry[field]])), ...(actions?.length && { actions }) };
}
