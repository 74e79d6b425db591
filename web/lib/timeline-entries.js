// The entries of a job's timeline, oldest first: from its row and its events. Pure.

import { finished, shownState } from "./job-state.js";

const LONGEST = 500; // characters of an event's data

/** The entries: `{at, title, text, tone, icon, ahead}`. */
export function timelineEntries(job, events) {
  const entries = [{ at: job.created_at, title: "Enqueued", text: job.queue ? `to queue ${job.queue}` : "", tone: "idle", icon: "available" }];
  const known = events.map(({ type, data }) => entryOf(type, data));
  if (job.started_at && job.attempt > 0) {
    known.push({ at: job.started_at, title: `Attempt ${job.attempt} started`, text: "", tone: "running", icon: "running" });
  }
  known.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  entries.push(...known);
  if (finished(job)) entries.push(lastEntry(job, known.at(-1)?.text));
  else if (["scheduled", "retrying"].includes(shownState(job))) {
    entries.push({ at: job.run_at, title: "Next attempt", text: "", tone: "idle", icon: "scheduled", ahead: true });
  }
  return entries;
}

/** The last entry; it does not repeat the text of the entry before it. */
function lastEntry(job, textBefore) {
  const tones = { completed: "good", failed: "bad", cancelled: "idle" };
  const text = job.error?.message?.slice(0, LONGEST) ?? "";
  return { at: job.finished_at, title: titled(job.state), text: text === textBefore ? "" : text, tone: tones[job.state], icon: job.state };
}

function entryOf(type, data) {
  const error = data.error?.message ?? data.message ?? (typeof data.error === "string" ? data.error : "");
  const known = {
    attempt_failed: { title: `Attempt ${data.attempt} failed`, text: error, tone: "bad", icon: "failed" },
    retry: { title: "Will be retried", text: by(data), tone: "warn", icon: "retrying" },
    snoozed: { title: "Snoozed by its handler", text: "", tone: "idle", icon: "scheduled" },
    cancel_requested: { title: "Cancel requested", text: by(data), tone: "warn", icon: "cancelled" },
    lease_lost: { title: `Attempt ${data.attempt} lost its worker`, text: error, tone: "bad", icon: "failed" },
    released: { title: "Released by its worker", text: "Costs no attempt.", tone: "idle", icon: "retrying" },
    step: { title: `Step ${data.name ?? data.step ?? ""}`.trim(), text: "", tone: "good", icon: "completed" },
  };
  const entry = known[type] ?? { title: titled(type), text: rest(data), tone: "idle", icon: "event" };
  return { at: data.at, ...entry, text: (entry.text ?? "").slice(0, LONGEST) };
}

function by(data) {
  const actor = data.by ?? data.actor;
  return actor ? `by ${actor}` : "";
}

function rest({ job_id, seq, attempt, at, ...own }) {
  return Object.keys(own).length > 0 ? JSON.stringify(own) : "";
}

function titled(word) {
  const text = word.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
