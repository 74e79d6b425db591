// Errors: what the server refused, what never reached it, and jobs that did not complete. Says what happened and what to do;
// must never hide the server's own words.

import type { Job, ProblemDocument } from "./types.js";

/** What every error of this package is. `passing` is true if the same request may succeed a moment later. */
export class TidemillError extends Error {
  override name = "TidemillError";
  readonly passing: boolean = false;
}

/** The server answered and refused: its problem document, field by field. */
export class ProblemError extends TidemillError {
  override name = "ProblemError";
  /** The HTTP status, such as 404. */
  readonly status: number;
  /** The whole document; `type`, `detail`, `field` and `remedy` are in it. */
  readonly problem: ProblemDocument;
  /** The last part of the document's `type`, such as `job-not-found`; stable, made for `switch`. */
  readonly slug: string;
  /** Milliseconds after which the server wants to be asked again, if it says so. */
  readonly retryAfter: number | undefined;
  override readonly passing: boolean;

  constructor(problem: ProblemDocument, retryAfter?: number) {
    super(`${problem.detail} ${problem.remedy}`.trim());
    this.status = problem.status;
    this.problem = problem;
    this.slug = problem.type.slice(problem.type.lastIndexOf("/") + 1);
    this.retryAfter = retryAfter;
    this.passing = problem.status >= 500 || [408, 425, 429].includes(problem.status);
  }
}

/** No answer came: the network, a proxy, CORS, or a server that is down. */
export class ConnectionError extends TidemillError {
  override name = "ConnectionError";
  override readonly passing: boolean = true;
}

/** The job that was waited for failed or was cancelled. */
export class JobFailedError extends TidemillError {
  override name = "JobFailedError";
  /** The job as it ended. */
  readonly job: Job;

  constructor(job: Job) {
    const why = job.error?.message;
    super(`The job ${job.id} (${job.kind}) is ${job.state}${typeof why === "string" ? `: ${why}` : "."}`);
    this.job = job;
  }
}

/** The refusal in an answer, also one that a proxy made up and that is no problem document. */
export async function problemIn(response: Response): Promise<ProblemError> {
  const text = await response.text().catch(() => "");
  const seconds = Number(response.headers.get("retry-after"));
  const retryAfter = seconds > 0 ? seconds * 1000 : undefined;
  try {
    const body = JSON.parse(text);
    if (typeof body.type === "string" && typeof body.detail === "string") {
      return new ProblemError({ remedy: "", ...body, status: response.status }, retryAfter);
    }
  } catch {
    // Not JSON: the words below say what came.
  }
  const title = response.statusText || "No problem document";
  const detail = `${response.url} answered ${response.status}: ${text.slice(0, 200) || title}.`;
  const remedy = "Look at what stands between this client and Tidemill.";
  return new ProblemError({ type: "about:blank", title, status: response.status, detail, remedy }, retryAfter);
}
