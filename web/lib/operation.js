// An operation as text: its action, its jobs, its progress, and as commands. Pure.

import { quoted } from "./curl.js";

const STRETCHES = 40; // calls of one preview
const MANY = 100_000; // jobs

/**
 * The actions, in the order of the menu: `word` is the text of buttons, `done` follows a number of jobs, `of` names the
 * jobs on which they can act.
 * @type {Record<string, { word: string, done: string, of: string, danger?: boolean }>}
 */
export const ACTIONS = {
  retry: { word: "Retry", done: "retried", of: "failed and cancelled jobs" },
  cancel: { word: "Cancel", done: "cancelled", of: "unfinished jobs; running ones are asked to stop", danger: true },
  run_now: { word: "Run now", done: "made due", of: "scheduled and retrying jobs" },
  set_priority: { word: "Set priority", done: "given another priority", of: "unfinished jobs that do not run" },
  move: { word: "Move to queue", done: "moved", of: "unfinished jobs that do not run" },
  delete: { word: "Delete", done: "deleted", of: "jobs that do not run, with their history", danger: true },
};

/** Fields of a filter, in the order in which they are shown. */
export const FIELDS = ["state", "kind", "queue", "tag", "priority", "owner", "error", "search", "fingerprint", "workflow", "created_after", "created_before", "finished_after", "finished_before"];

/**
 * The filter in the query of a URL, without other parameters.
 * @param {URLSearchParams} query
 * @returns {Filter}
 */
export function filterIn(query) {
  return Object.fromEntries(FIELDS.map((field) => [field, query.get(field)?.trim()]).filter(([, value]) => value));
}

/**
 * The preview of an operation. `ask(after)` counts a part of the jobs; it is called until all are counted, or as many as
 * one preview shows. One that is not complete goes on from there: it is the `before` of the next.
 *
 * @param {(after: string | null) => Promise<Api.OperationPreview>} ask
 * @param {WholePreview | null} [before]
 * @returns {Promise<WholePreview>}
 */
export async function wholePreview(ask, before = null) {
  const { matched, skipped, sample, looked_to } = before ?? { matched: 0, skipped: {}, sample: [], looked_to: null };
  const whole = { matched, skipped: { ...skipped }, sample: [...sample], complete: false, looked_to };
  for (let stretch = 0; stretch < STRETCHES && !whole.complete && whole.matched < matched + MANY; stretch += 1) {
    const part = await ask(whole.looked_to);
    whole.matched += part.matched;
    whole.sample.push(...part.sample);
    for (const [reason, count] of Object.entries(part.skipped)) whole.skipped[reason] = (whole.skipped[reason] ?? 0) + count;
    whole.complete = part.complete;
    whole.looked_to = part.looked_to;
  }
  return whole;
}

/**
 * `1 job`, `1,204 jobs`.
 * @param {number} count
 */
export function jobs(count) {
  return count === 1 ? "1 job" : `${count.toLocaleString("en")} jobs`;
}

/**
 * The title of an operation: `Retry of failed jobs of kind mail`.
 * @param {Api.OperationDocument} operation
 */
export function titleOf(operation) {
  if (operation.action === "undo") return "Undo";
  const { word } = ACTIONS[operation.action] ?? { word: operation.action };
  const to = operation.priority !== null && operation.priority !== undefined ? ` ${operation.priority}` : operation.queue ? ` ${operation.action === "move" ? "" : "in queue "}${operation.queue}` : "";
  return `${word}${to}`;
}

/**
 * `state failed, kind mail`; `all jobs` without a filter.
 * @param {Record<string, unknown>} filter
 */
export function filterWords(filter) {
  const words = Object.entries(filter).filter(([name]) => name !== "all").map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`);
  return words.length === 0 ? "all jobs" : words.join(", ");
}

/**
 * The number of skipped jobs, and the reasons as text, the most common first.
 * @param {Pick<Api.OperationDocument, "skipped">} operation
 */
export function skippedOf({ skipped }) {
  const reasons = Object.entries(skipped).sort((a, b) => b[1] - a[1]).map(([reason, count]) => `${count.toLocaleString("en")} ${reason.replaceAll("_", " ")}`);
  return { count: Object.values(skipped).reduce((sum, count) => sum + count, 0), reasons };
}

/**
 * The progress in percent; null if the number of jobs is unknown.
 * @param {Api.OperationDocument} operation
 */
export function percentOf(operation) {
  if (operation.state === "done") return 100;
  if (operation.expected === null) return null;
  if (operation.expected === 0) return 100;
  return Math.min(100, (100 * (operation.done + operation.failed)) / operation.expected);
}

/**
 * The request as a command of `tidemill`, as SQL, and as curl.
 * @param {OperationRequest} request
 * @param {string} origin
 * @param {boolean} withKey
 */
export function asCommands(request, origin, withKey) {
  /**
   * @param {string} name
   * @param {string | number | null | undefined} value
   */
  const flag = (name, value) => `--${name.replaceAll("_", "-")} ${quoted(String(value))}`;
  const options = Object.entries(request.filter ?? {}).map(([name, value]) => flag(name, value));
  if (request.all) options.push("--all");
  if (request.queue) options.push(flag("to-queue", request.queue));
  if (request.priority) options.push(flag("to-priority", request.priority));
  if (request.rate) options.push(flag("rate", request.rate));
  /** @param {unknown} value */
  const text = (value) => `'${String(value).replaceAll("'", "''")}'`;
  const args = [text(request.action), text(JSON.stringify(request.all ? { all: true } : request.filter))];
  if (request.queue) args.push(`queue => ${text(request.queue)}`);
  if (request.priority) args.push(`priority => ${request.priority}::smallint`);
  if (request.rate) args.push(`rate => ${text(request.rate)}`);
  const curl = [`curl -X POST ${quoted(`${origin}/api/v1/operations`)}`];
  if (withKey) curl.push(`-H "Authorization: Bearer $TIDEMILL_KEY"`);
  curl.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(request))}`);
  return {
    "command line": ["tidemill operations start", request.action.replaceAll("_", "-"), ...options].join(" "),
    SQL: `select tidemill.start_operation(${args.join(", ")});`,
    curl: curl.join(" \\\n  "),
  };
}
