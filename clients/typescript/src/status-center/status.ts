// What an entry of the Status Center is, and how a job is shown as one. Pure.

import type { Job } from "../core/index.js";
import type { Connection } from "../live/index.js";

export type StatusState = "pending" | "syncing" | "processing" | "completed" | "failed";

/** One step of a longer piece of work. */
export interface StatusStep {
  label: string;
  status: StatusState;
}

/** Something to do from an entry. */
export interface StatusAction {
  label: string;
  /** Called with the entry. Lost at a reload: name a verb for an undo that must last. */
  onClick?(entry: StatusEntry): unknown;
  /** One of the provider's `verbs`, which is found again after a reload. */
  verb?: string;
  /** Sends the entry's job this signal, such as an approval that it waits for. */
  signal?: string;
  payload?: unknown;
}

/** What to show of something that goes on. */
export interface Status {
  /** What it is, in your own words, such as `sync`; for your styles and verbs. */
  type?: string;
  title: string;
  description?: string;
  /** By default `pending`. Once an entry is bound to a job, the server says it. */
  status?: StatusState;
  /** From 0 to 100; without it the bar only shows that something goes on. */
  progress?: number | null;
  steps?: StatusStep[];
  /** The job that it is about: from then on the server's truth is shown. */
  jobId?: string;
  /** Where the result or the work is to be seen. */
  href?: string;
  actions?: StatusAction[];
  /** Undoes this very entry's work; offered once it is completed. */
  undo?(): unknown;
  /** Milliseconds that a completed entry stays, at least while it is not looked at; `false`: until it is closed. By default 5,000; one that failed stays. */
  dismissAfter?: number | false;
  /** The same act once more takes the place of the entry with the same key. */
  key?: string;
}

/** An entry as it is shown. */
export interface StatusEntry extends Status {
  id: string;
  status: StatusState;
  /** Milliseconds of the clock. */
  createdAt: number;
  /** What the server says of the bound job; null until it is known. */
  job?: Job | null;
  /** How the job behind it is kept true; what is shown is old while this is `reconnecting`, `offline` or `denied`. */
  connection?: Connection;
  /** The server's own words of how it stands, such as `Attempt 2 of 3`. */
  detail?: string;
  /** True if the server named the job, and no code of this page. */
  found?: boolean;
  /** Sends again what did not get through. */
  tryAgain?(): unknown;
}

/** What is shown; a new object after each change. */
export interface StatusView {
  /** The newest first. */
  statuses: StatusEntry[];
  /** What was closed, or ended out of sight; the newest first. */
  earlier: StatusEntry[];
}

/** True if nothing more comes by itself. */
export function isOver({ status }: Pick<StatusEntry, "status">): boolean {
  return status === "completed" || status === "failed";
}

/** What a job's document says of its entry. */
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
