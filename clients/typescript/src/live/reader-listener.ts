// The interface through which the reader of the stream and the reader of documents report to the tabs.

import type { TidemillError } from "../core/problem.js";
import type { Job, JobEvent, ProblemDocument } from "../core/types.js";
import type { Connection } from "./view.js";

export interface ReaderListener {
  event(event: JobEvent): void;
  job(job: Job, asked: number): void;
  gone(id: string, problem: ProblemDocument): void;
  state(connection: Connection, error?: TidemillError): void;
}
