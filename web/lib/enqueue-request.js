// Makes the enqueue request from the typed values, with an error for each field that is not valid. Pure.

import { parseObject } from "./json.js";

/** `{job, errors}`: the body of the valid fields, and a sentence for each field that is not valid. */
export function requestFrom({ kind, args, queue, priority, delay, execution_id }) {
  const errors = {};
  const parsed = parseObject(args);
  const job = { kind: kind.trim(), args: parsed.value ?? {} };
  if (job.kind === "") errors.kind = "Name the kind of job.";
  if (parsed.error) errors.args = parsed.error;
  if (queue.trim() !== "") job.queue = queue.trim();
  if (String(priority).trim() !== "") {
    job.priority = Number(priority);
    if (!/^\s*[1-9]\s*$/.test(priority)) errors.priority = "Priority is a whole number from 1 (first) to 9 (last).";
  }
  if (delay.trim() !== "") {
    job.delay = delay.trim();
    if (!/^(\d+\s*[a-z]+\s*)+$/i.test(job.delay)) errors.delay = "Enter a number and a unit, such as 30s, 10m or 2h.";
  }
  if (execution_id.trim() !== "") job.execution_id = execution_id.trim();
  return { job, errors };
}
