// The bar that shows how far a job is, and its percent as text. Must never make up a percent.

import { element, setAttribute } from "../lib/dom.js";
import { shownState } from "../lib/job-state.js";

/** A progress bar; `update(job)` moves it. Without a percent it shows activity only. */
export function progressBar(label) {
  const fill = element("span", { class: "fill" });
  const bar = element("div", { class: "progress", role: "progressbar", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  bar.update = (job) => {
    const percent = percentOf(job);
    setAttribute(bar, "aria-valuenow", percent === null ? null : Math.round(percent));
    setAttribute(bar, "aria-valuetext", job.progress?.step ?? null);
    bar.dataset.state = shownState(job);
    bar.classList.toggle("unknown", percent === null && job.state === "running");
    fill.style.setProperty("--part", String((percent ?? 0) / 100));
  };
  return bar;
}

/** The percent as text: `62 %`, or nothing. */
export function percentText(job) {
  const percent = percentOf(job);
  return percent === null ? "" : `${Math.floor(percent)} %`;
}

/** The job's percent, or null. */
function percentOf(job) {
  if (job.state === "completed") return 100;
  const percent = job.progress?.percent;
  return typeof percent === "number" ? Math.min(100, Math.max(0, percent)) : null;
}
