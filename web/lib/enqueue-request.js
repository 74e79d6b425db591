// Builds the enqueue request from the entered values, with an error for each invalid field. Pure; must never put a
// value into the request that the person did not enter.

import { parseObject } from "./json.js";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const NAME_RULE = "Use 1 to 63 letters a to z, digits, “.”, “_” and “-”; begin with a letter or digit.";

/**
 * `{job, errors}`: the body with the valid fields, and a sentence for each invalid field.
 * @param {Record<string, string>} values
 * @param {string} [origin] the id of the job of which it is a changed one
 */
export function requestFrom({ kind, args, queue, priority, delay, execution_id }, origin) {
  /** @type {Record<string, string>} */
  const errors = {};
  const parsed = parseObject(args);
  /** @type {{ kind: string, args: unknown, queue?: string, priority?: number, delay?: string, execution_id?: string, metadata?: { origin_job: string } }} */
  const job = { kind: kind.trim(), args: parsed.value ?? {} };
  if (job.kind === "") errors.kind = "Name the kind of job.";
  else if (!NAME.test(job.kind)) errors.kind = NAME_RULE;
  if (parsed.error) errors.args = parsed.error;
  if (queue.trim() !== "") {
    job.queue = queue.trim();
    if (!NAME.test(job.queue)) errors.queue = NAME_RULE;
  }
  if (String(priority).trim() !== "") {
    job.priority = Number(priority);
    if (!/^\s*[1-9]\s*$/.test(priority)) errors.priority = "Priority is a whole number from 1 (first) to 9 (last).";
  }
  if (delay.trim() !== "") {
    job.delay = delay.trim();
    if (!/^(\d+\s*[a-z]+\s*)+$/i.test(job.delay)) errors.delay = "Enter a number and a unit, such as 30s, 10m or 2h.";
  }
  if (execution_id.trim() !== "") job.execution_id = execution_id.trim();
  if (origin) job.metadata = { origin_job: origin };
  return { job, errors };
}

/**
 * A refusal of the server, for the form: `{field, text, job}`. `field` is a field of the form, or null; `job` is the id
 * of the job that already has the execution id.
 * @param {Partial<Problem>} problem
 * @param {string[]} fields
 */
export function refusalOf(problem, fields) {
  const name = (problem.field ?? "").replace(/^\//, "").split(/[/.]/)[0];
  const job = problem.job?.id ?? null;
  const detail = (problem.message ?? "").replace(/^\/[\w/]*: /, "");
  const text = job ? "Another job has this execution id." : [detail.charAt(0).toUpperCase() + detail.slice(1), problem.remedy].filter(Boolean).join(" ");
  return { field: fields.includes(name) ? name : null, text, job };
}
