// The actions on one job as buttons: run now, retry, cancel, and enqueue a similar job. Must never offer one that the job's
// state refuses.

import { path, post } from "../lib/api.js";
import { element } from "../lib/dom.js";
import { finished, shownState } from "../lib/job-state.js";
import { mayDo, onRole, whatItNeeds } from "../lib/role.js";
import { confirmed } from "./dialogs.js";

const VERBS = [
  { verb: "run-now", word: () => "Run now", when: (job) => ["scheduled", "retrying"].includes(shownState(job)) },
  { verb: "retry", word: (job) => (job.state === "completed" ? "Run again" : "Retry"), when: finished, ask: askAgainForCompleted },
  { verb: "cancel", word: () => "Cancel", when: (job) => !finished(job) && !job.cancel_requested_at, ask: askForCancel, danger: true },
];

const NEEDED = "enqueue"; // the scope for acts on one job

/** The buttons, until `stop()`; `update(job)` shows those that the state allows. `done(job)` gets the answer, `refused(problem)` a refusal. */
export function actionBar({ done, refused, again }) {
  let job = null;
  const buttons = VERBS.map((each) => {
    const button = element("button", { type: "button", class: each.danger ? "danger" : null, click: () => act(each, button) });
    return button;
  });
  const similar = element("button", { type: "button", class: "quiet", click: () => again(job) }, "Enqueue similar");
  const bar = element("div", { class: "row actions" }, buttons, similar);
  const showRights = () => [...buttons, similar].forEach((button) => {
    button.disabled = !mayDo(NEEDED);
    button.title = button.disabled ? whatItNeeds(NEEDED) : "";
  });
  showRights();
  bar.stop = onRole(showRights);
  bar.update = (next) => {
    job = next;
    VERBS.forEach((each, index) => {
      buttons[index].hidden = !each.when(job);
      buttons[index].textContent = each.word(job);
    });
  };
  return bar;

  async function act({ verb, ask }, button) {
    if (ask && !(await ask(job))) return;
    button.disabled = true;
    refused(null);
    try {
      done(await post(path`/jobs/${job.id}/` + verb), verb);
    } catch (problem) {
      refused(problem);
    }
    button.disabled = !mayDo(NEEDED);
  }
}

function askForCancel(job) {
  const text = job.state === "running" ? "Its handler is asked to stop now. Work that it has already done outside stays done." : "It will not run.";
  return confirmed({ title: `Cancel this ${job.kind} job?`, text, action: "Cancel the job", danger: true, keep: "Keep it" });
}

async function askAgainForCompleted(job) {
  if (job.state !== "completed") return true;
  return confirmed({ title: "Run this job again?", text: "It completed once. Running it again replaces its result.", action: "Run again", keep: "Leave it" });
}
