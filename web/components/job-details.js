// The details of a job's row, as terms and values. Must never show a term without a value.

import { between, ticking } from "../lib/clock.js";
import { element } from "../lib/dom.js";
import { finished, shownState } from "../lib/job-state.js";
import { copyButton } from "./copy-button.js";

/** The panel; `update(job)` draws it again if something changed. */
export function detailsPanel() {
  const list = element("dl", { class: "job-details" });
  const panel = element("section", { class: "panel", "aria-labelledby": "details-title" }, element("h2", { id: "details-title" }, "Details"), list);
  let shown = "";
  panel.update = (job) => {
    const { progress, result, args, error, ...rest } = job;
    const text = JSON.stringify(rest);
    if (text === shown) return;
    shown = text;
    list.replaceChildren(...detailsOf(job).filter(([, value]) => value).map(([term, value]) => element("div", {}, element("dt", {}, term), element("dd", {}, value))));
  };
  return panel;
}

function detailsOf(job) {
  const ahead = ["scheduled", "retrying"].includes(shownState(job));
  return [
    ["Id", element("span", { class: "id-box" }, element("code", {}, job.id), copyButton(() => job.id))],
    ["Execution id", job.execution_id && element("code", {}, job.execution_id)],
    ["Queue", element("a", { href: `/queues/${encodeURIComponent(job.queue)}`, "data-route": true }, job.queue)],
    ["Priority", String(job.priority)],
    ["Concurrency keys", job.concurrency_keys?.length > 0 && element("span", { class: "tags" }, job.concurrency_keys.map((key) => element("span", { class: "tag" }, key)))],
    ["Fair key", job.fair_key],
    ["Expires", job.expires_at && !job.started_at && ticking(job.expires_at)],
    ["Attempts", `${job.attempt} of ${job.max_attempts}`],
    ["Enqueued", ticking(job.created_at)],
    ["Runs", ahead && ticking(job.run_at)],
    ["Started", job.started_at && ticking(job.started_at)],
    ["Finished", job.finished_at && ticking(job.finished_at)],
    ["Waited", between(job.created_at, job.started_at)],
    ["Took", finished(job) && between(job.started_at, job.finished_at)],
    ["Worker", job.worker_id && element("code", {}, job.worker_id)],
    ["Tags", job.tags?.length > 0 && element("span", { class: "tags" }, job.tags.map((tag) => element("span", { class: "tag" }, tag)))],
  ];
}
