// The entries of a job's timeline, oldest first: from its row and its events. Pure; must never show one of Tidemill's
// own events as raw data.

import { duration, utc } from "./format-time.js";
import { errorOf, whyCancelled } from "./job-error.js";
import { finished, shownState } from "./job-state.js";

const LONGEST = 500; // characters of an event's data

/**
 * The entries: `{at, title, text, tone, icon, ahead}`.
 * @param {Job} job
 * @param {Frame[]} events
 */
export function timelineEntries(job, events) {
  /** @type {Entry[]} */
  const entries = [{ at: job.created_at, title: "Enqueued", text: job.queue ? `to queue ${job.queue}` : "", tone: "idle", icon: "available" }];
  const known = events.map(({ type, data }) => entryOf(type, data));
  if (job.started_at && job.attempt > 0) {
    known.push({ at: job.started_at, title: `Attempt ${job.attempt} started`, text: "", tone: "running", icon: "running" });
  }
  known.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  entries.push(...known);
  if (finished(job)) entries.push(lastEntry(job, known.map((entry) => entry.text)));
  else if (["scheduled", "retrying"].includes(shownState(job))) {
    entries.push({ at: job.run_at ?? "", title: job.attempt > 0 ? "Next attempt" : "First attempt", text: "", tone: "idle", icon: "scheduled", ahead: true });
  }
  return entries;
}

/**
 * The last entry; it does not repeat the text of an entry before it.
 * @param {Job} job
 * @param {string[]} textsBefore
 * @returns {Entry}
 */
function lastEntry(job, textsBefore) {
  /** @type {Record<string, string>} */
  const tones = { completed: "good", failed: "bad", cancelled: "idle" };
  const error = errorOf(job);
  const text = whyCancelled(job) ?? (error?.failed === false ? error.text : (error ? job.error?.message : "")) ?? "";
  const shown = text.slice(0, LONGEST);
  return { at: job.finished_at ?? "", title: titled(job.state), text: textsBefore.includes(shown) ? "" : shown, tone: tones[job.state], icon: job.state };
}

/**
 * @param {string} type
 * @param {EventData} data
 * @returns {Entry}
 */
function entryOf(type, data) {
  const entry = (ENTRIES[type] ?? ownEntry)(data, type);
  return { at: data.at, title: titled(type), tone: "idle", icon: "event", ...entry, text: (entry.text ?? "").slice(0, LONGEST) };
}

/** @type {Record<string, (data: EventData, type: string) => Partial<Entry>>} */
const ENTRIES = {
  attempt_failed: (data) => ({ title: `Attempt ${data.attempt} failed`, text: messageOf(data), tone: "bad", icon: "failed" }),
  lease_lost: (data) => ({ title: `Attempt ${data.attempt} lost its worker`, text: messageOf(data), tone: "bad", icon: "failed" }),
  retry: retryEntry,
  snoozed: (data) => ({ title: data.by ? `Put off by ${data.by}` : "Snoozed by its handler", text: until(data), icon: "scheduled" }),
  released: () => ({ title: "Released by its worker", text: "Costs no attempt.", icon: "retrying" }),
  waits: waitsEntry,
  cancel_requested: (data) => ({ title: "Cancel requested", text: joined(by(data), data.reason), tone: "warn", icon: "cancelled" }),
  expired: () => ({ title: "Expired before it started", icon: "cancelled" }),
  replaced: (data) => ({ title: data.by ? `Changed by ${data.by}` : "Changed by a newer request", text: (data.fields ?? []).map(fieldName).join(", ") }),
  extended: extendedEntry,
  spawned: (data) => ({ title: "Enqueued another job", text: data.name ?? "" }),
  signal: (data) => ({ title: `Signal ${data.name ?? ""} received`.replace("  ", " "), text: by(data) }),
  forked: (data) => ({ title: "Forked from another job", text: joined(by(data), data.from_step && `from step ${data.from_step}`) }),
  step: (data) => ({ title: `Step ${data.name ?? data.step ?? ""}`.trim(), tone: "good", icon: "completed" }),
  reset: (data) => ({ title: "Events are missing here", text: data.reason ?? "" }),
};

/**
 * Names the person who ran the job now or retried it; an automatic retry has no person.
 * @param {EventData} data
 * @returns {Partial<Entry>}
 */
function retryEntry(data) {
  if (data.was_due_at) return { title: data.by ? `Run now by ${data.by}` : "Run now", text: `It was due at ${second(data.was_due_at)}.`, icon: "running" };
  if (data.by === "tidemill") return { title: "Waits again", text: "A job that it waits for runs again.", icon: "waiting" };
  if (data.by) return { title: `Retried by ${data.by}`, icon: "retrying" };
  return { title: "Will be retried", text: until(data), tone: "warn", icon: "retrying" };
}

/**
 * @param {EventData} data
 * @returns {Partial<Entry>}
 */
function waitsEntry(data) {
  const wait = data.for ?? {};
  const text = wait.signal ? `for the signal ${wait.signal}` : wait.jobs ? `for ${wait.jobs.length === 1 ? "another job" : `${wait.jobs.length} other jobs`}` : "";
  return { title: "Waits", text, icon: "waiting" };
}

/**
 * @param {EventData} data
 * @returns {Partial<Entry>}
 */
function extendedEntry(data) {
  const [more, hard] = [data.by_seconds, data.hard_timeout_seconds].map((seconds) => (seconds > 0 ? duration(seconds * 1000) : ""));
  return { title: more ? `Given ${more} more` : "Given more time", text: hard && `The attempt may now take ${hard}.`, icon: "scheduled" };
}

/**
 * An event of the handler's own type.
 * @param {EventData} data
 * @param {string} type
 * @returns {Partial<Entry>}
 */
function ownEntry({ job_id, seq, attempt, at, ...own }, type) {
  return { title: titled(type), text: Object.keys(own).length > 0 ? JSON.stringify(own) : "" };
}

/**
 * @param {EventData} data
 * @returns {string}
 */
function messageOf(data) {
  return data.error?.message ?? data.message ?? (typeof data.error === "string" ? data.error : "");
}

/** @param {EventData} data */
function by(data) {
  return data.by ? `by ${data.by}` : "";
}

/** @param {EventData} data */
function until(data) {
  return data.run_at ? `until ${second(data.run_at)}` : "";
}

/** @param {string} time */
function second(time) {
  return utc(time).replace(/\.\d+/, "");
}

/** @param {(string | undefined)[]} parts */
function joined(...parts) {
  return parts.filter(Boolean).join(": ");
}

/** @param {string} field */
function fieldName(field) {
  return { run_at: "time", max_attempts: "most attempts" }[field] ?? field;
}

/** @param {string} word */
function titled(word) {
  const text = word.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
