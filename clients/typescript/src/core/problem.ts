// Errors: refusals of the server, requests that got no answer, and jobs that did not complete. Each says what happened
// and what to do. Must never hide the server's own message.

import type { Job, ProblemDocument } from "./types.js";

/**
 * The base class of all errors of this package. `passing` is true if the error is transient: the same request can
 * succeed a moment later.
 */
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
  /** The time in `Retry-After`, in milliseconds, if the server sent it. */
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

/** The awaited job failed or was cancelled. */
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

/** The refusal in an answer, even if a proxy wrote it and it is not a problem document. */
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
    // Not JSON: the message below shows the text.
  }
  const title = response.statusText || "No problem document";
  const detail = `${response.url} answered ${response.status}: ${text.slice(0, 200) || title}.`;
  const remedy = "Look at what stands between this client and Tidemill.";
  return new ProblemError({ type: "about:blank", title, status: response.status, detail, remedy }, retryAfter);
}
