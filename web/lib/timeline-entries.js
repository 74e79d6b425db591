// Tells a job's life as steps, oldest first. Pure.

import { finished, shownState } from "./job-state.js";

const LONGEST = 500; // characters of an event's data

/** The steps: `{at, title, text, tone, icon, ahead}`. */
export function stepsOf(job, events) {
  const steps = [{ at: job.created_at, title: "Enqueued", text: job.queue ? `to queue ${job.queue}` : "", tone: "idle", icon: "available" }];
  const told = events.map(({ type, data }) => tell(type, data));
  if (job.started_at && job.attempt > 0) {
    told.push({ at: job.started_at, title: `Attempt ${job.attempt} started`, text: "", tone: "running", icon: "running" });
  }
  told.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  steps.push(...told);
  if (finished(job)) steps.push(end(job, told.at(-1)?.text));
  else if (["scheduled", "retrying"].includes(shownState(job))) {
    steps.push({ at: job.run_at, title: "Next attempt", text: "", tone: "idle", icon: "scheduled", ahead: true });
  }
  return steps;
}

/** The last step; what the attempt before it has just said is not said again. */
function end(job, said) {
  const tones = { completed: "good", failed: "bad", cancelled: "idle" };
  const text = job.error?.message?.slice(0, LONGEST) ?? "";
  return { at: job.finished_at, title: titled(job.state), text: text === said ? "" : text, tone: tones[job.state], icon: job.state };
}

function tell(type, data) {
  const error = data.error?.message ?? data.message ?? (typeof data.error === "string" ? data.error : "");
  const known = {
    attempt_failed: { title: `Attempt ${data.attempt} failed`, text: error, tone: "bad", icon: "failed" },
    retry: { title: "Will be retried", text: by(data), tone: "warn", icon: "retrying" },
    snoozed: { title: "Put off by its handler", text: "", tone: "idle", icon: "scheduled" },
    cancel_requested: { title: "Cancel asked for", text: by(data), tone: "warn", icon: "cancelled" },
    lease_lost: { title: `Attempt ${data.attempt} lost its worker`, text: error, tone: "bad", icon: "failed" },
    released: { title: "Handed back by its worker", text: "Costs no attempt.", tone: "idle", icon: "retrying" },
    step: { title: `Step ${data.name ?? data.step ?? ""}`.trim(), text: "", tone: "good", icon: "completed" },
  };
  const told = known[type] ?? { title: titled(type), text: rest(data), tone: "idle", icon: "event" };
  return { at: data.at, ...told, text: (told.text ?? "").slice(0, LONGEST) };
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
