// The user's jobs on the server, whichever device enqueued them: read when the page opens, and again at intervals while
// it is visible. Must never send a request while the page is hidden, nor again after a refusal.

import { type Job, type Tidemill, TidemillError } from "../core/index.js";
import { watchPage } from "../live/page.js";
import type { Status } from "./status.js";

const EVERY = 15_000; // milliseconds between two reads
const IN_VAIN = 60_000;

export interface ActivityOptions {
  /** The owner of the jobs; not needed if the token has an owner. */
  owner?: string;
  /**
   * The entry of a job, or `null` to hide the job. By default its title is the kind; members of workflows are not
   * shown.
   */
  show?(job: Job): Status | null;
  /** Milliseconds between two reads of the user's jobs; by default 15,000. */
  every?: number;
}

/** The default entry of a job. */
export function shownByKind(job: Job): Status | null {
  return job.workflow_id && job.workflow_id !== job.id ? null : { title: job.kind };
}

/** Receives jobs; `first` is true for the jobs of the first answer. */
type Take = (jobs: Job[], first: boolean) => void;

/** Reads until the returned function is called. */
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
