// The type of an entry of the Status Center, and the entry of a job. Pure.

import type { Job } from "../core/index.js";
import type { Connection } from "../live/index.js";

export type StatusState = "pending" | "syncing" | "processing" | "completed" | "failed";

/** One step of a longer piece of work. */
export interface StatusStep {
  label: string;
  status: StatusState;
}

/** An action of an entry. */
export interface StatusAction {
  label: string;
  /** Called with the entry. Lost at a reload: for an undo that must work after a reload, name a verb. */
  onClick?(entry: StatusEntry): unknown;
  /** The name of one of the provider's `verbs`, which still works after a reload. */
  verb?: string;
  /** The signal to send to the entry's job, such as an approval. */
  signal?: string;
  payload?: unknown;
}

/** The fields of an entry. */
export interface Status {
  /** A type that you choose, such as `sync`; for your styles and verbs. */
  type?: string;
  title: string;
  description?: string;
  /** By default `pending`. Once an entry is bound to a job, the status comes from the server. */
  status?: StatusState;
  /** From 0 to 100; without it the bar is indeterminate. */
  progress?: number | null;
  steps?: StatusStep[];
  /** The job that the entry is bound to: from then on the entry shows the job's state on the server. */
  jobId?: string;
  /** The link to the result or to the work. */
  href?: string;
  actions?: StatusAction[];
  /** Undoes the work of this entry; offered after it is completed. */
  undo?(): unknown;
  /**
   * Milliseconds after which a completed entry closes; the time stops while the panel is used. `false`: until it is
   * closed by hand. By default 5,000; failed entries stay.
   */
  dismissAfter?: number | false;
  /** A new entry with the same key replaces the earlier one. */
  key?: string;
}

/** A shown entry. */
export interface StatusEntry extends Status {
  id: string;
  status: StatusState;
  /** Milliseconds of the clock. */
  createdAt: number;
  /** The bound job's document from the server; null until it is known. */
  job?: Job | null;
  /** How the bound job is kept up to date; its data is stale while this is `reconnecting`, `offline` or `denied`. */
  connection?: Connection;
  /** The server's description of the state, such as `Attempt 2 of 3`. */
  detail?: string;
  /** True if the job came from the server's list, and not from this page. */
  found?: boolean;
  /** Repeats the request that failed. */
  tryAgain?(): unknown;
}

/** All entries; a new object after each change. */
export interface StatusView {
  /** The newest first. */
  statuses: StatusEntry[];
  /** Closed entries, and jobs that ended before the page opened; the newest first. */
  earlier: StatusEntry[];
}

/** True if no further updates will come. */
export function isOver({ status }: Pick<StatusEntry, "status">): boolean {
  return status === "completed" || status === "failed";
}

/** The fields of an entry that come from its job's document. */
export function fromJob(job: Job): Partial<StatusEntry> {
  const { progress } = job;
  const error = typeof job.error?.message === "string" ? job.error.message : "";
  switch (job.status) {
    case "completed":
      return { status: "completed", progress: 100, detail: "" };
    case "failed":
      return { status: "failed", detail: error || "Failed" };
    case "cancelled":
      return { status: "failed", detail: "Cancelled" };
    case "running": {
      const attempt = job.attempt > 1 ? `Attempt ${job.attempt} of ${job.max_attempts}` : "";
      const step = job.cancel_requested_at ? "Cancelling…" : (progress?.step ?? "");
      const detail = [step, attempt].filter(Boolean).join(" · ");
      return { status: "processing", progress: progress?.percent ?? null, detail };
    }
    case "retrying":
      return {
        status: "pending",
        progress: null,
        detail: `Attempt ${job.attempt + 1} of ${job.max_attempts}${inTime(job.run_at)}`,
      };
    case "scheduled":
      return { status: "pending", progress: null, detail: `Starts${inTime(job.run_at)}` };
    default:
      return { status: "pending", progress: null, detail: "" };
  }
}

function inTime(runAt: string | null | undefined): string {
  const seconds = Math.round((Date.parse(runAt ?? "") - Date.now()) / 1000);
  if (!(seconds > 0)) return " soon";
  if (seconds < 90) return ` in ${seconds} s`;
  return seconds < 5400 ? ` in ${Math.round(seconds / 60)} min` : ` at ${new Date(runAt!).toLocaleString()}`;
}
