// What the server says of a user's jobs, whichever device began them: read when the page is opened, looked at again now and then
// while it is seen. Must never ask while the page is out of sight, nor again after a refusal.

import { type Job, type Tidemill, TidemillError } from "../core/index.js";
import { watchPage } from "../live/page.js";
import type { Status } from "./status.js";

const EVERY = 15_000; // milliseconds between two looks
const IN_VAIN = 60_000;

export interface ActivityOptions {
  /** Whose jobs; a token with an owner says it itself. */
  owner?: string;
  /** How a job is shown, or `null` for one that is not. By default by its kind; members of workflows are not shown. */
  show?(job: Job): Status | null;
  /** Milliseconds between two looks for jobs that another device began; by default 15,000. */
  every?: number;
}

/** How a job is shown by default. */
export function shownByKind(job: Job): Status | null {
  return job.workflow_id && job.workflow_id !== job.id ? null : { title: job.kind };
}

/** Takes in jobs; `first` is true for those of the first answer. */
type Take = (jobs: Job[], first: boolean) => void;

/** Looks until the answer is called. */
export function lookAt(client: Tidemill, { owner, every = EVERY }: ActivityOptions, take: Take): () => void {
  const over = new AbortController();
  let since: string | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wait = every;
  let looking = false;
  const look = async () => {
    if (looking || over.signal.aborted) return;
    looking = true;
    clearTimeout(timer);
    try {
      const answer = await client.activity({ ...(owner && { owner }), ...(since && { since }) }, over);
      take(answer.items, !since);
      since = answer.cursor;
      wait = every;
    } catch (error) {
      const isPassing = error instanceof TidemillError && error.passing;
      wait = isPassing ? Math.min(wait * 2, IN_VAIN) : Number.POSITIVE_INFINITY;
      if (!isPassing && !over.signal.aborted) console.error("The Status Center cannot read the user's jobs.", error);
    }
    looking = false;
    if (wait < Number.POSITIVE_INFINITY && document.visibilityState === "visible" && !over.signal.aborted)
      timer = setTimeout(look, wait * (0.75 + Math.random() / 2));
  };
  const unwatch = watchPage({
    rest: () => clearTimeout(timer),
    wake: () => {
      if (wait < Number.POSITIVE_INFINITY) void look();
    },
  });
  void look();
  return () => {
    over.abort();
    clearTimeout(timer);
    unwatch();
  };
}
