// Makes the request of an enqueue from what a person typed, and says what is wrong with it. Pure.

import { parseObject } from "./json.js";

/** `{job, wrong}`: the body as far as it is right, and a sentence for each field that is not. */
export function requestFrom({ kind, args, queue, priority, delay, execution_id }) {
  const wrong = {};
  const parsed = parseObject(args);
  const job = { kind: kind.trim(), args: parsed.value ?? {} };
  if (job.kind === "") wrong.kind = "Name the kind of job.";
  if (parsed.error) wrong.args = parsed.error;
  if (queue.trim() !== "") job.queue = queue.trim();
  if (String(priority).trim() !== "") {
    job.priority = Number(priority);
    if (!/^\s*[1-9]\s*$/.test(priority)) wrong.priority = "Priority is a whole number from 1 (first) to 9 (last).";
  }
  if (delay.trim() !== "") {
    job.delay = delay.trim();
    if (!/^(\d+\s*[a-z]+\s*)+$/i.test(job.delay)) wrong.delay = "Say a number and a unit, such as 30s, 10m or 2h.";
  }
  if (execution_id.trim() !== "") job.execution_id = execution_id.trim();
  return { job, wrong };
}
