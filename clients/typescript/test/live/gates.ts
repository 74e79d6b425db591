// Gates of the kind `steps`: a job with one does a step when it is opened for it.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

let count = 0;

/** The name of a new gate in a folder that the worker can read. */
export function gateIn(folder: string): string {
  count += 1;
  return join(folder, `gate-${Date.now()}-${count}`);
}

/** Lets the job do a step, or all. */
export function open(gate: string, step: number | "all" = "all"): Promise<void> {
  return writeFile(`${gate}.${step}`, "");
}
