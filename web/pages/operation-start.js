// The form that starts an operation: the filter, which stands in the address, the action, its rate, and a preview of what
// would be done. Must never start one whose number of jobs it did not show.

import { call, newKey } from "../lib/api.js";
import { needsKey } from "../lib/role.js";
import { serverUrl } from "../lib/base-path.js";
import { ACTIONS, FIELDS, asCommands, filterIn, jobs, skippedOf, wholePreview } from "../lib/operation.js";
import { timeOf } from "../lib/job-filter.js";
import { STATES } from "../lib/job-state.js";
import { html, useMemo, useState } from "../ui/html.js";
import { useLive } from "../ui/live.js";
import { Commands } from "../ui/operation-parts.js";
import { ActionButton, Link, Moment, PageHead, ProblemBox } from "../ui/parts.js";

const ALWAYS = ["state", "kind", "queue", "tag", "error"]; // fields that are shown also when they are empty
/** @type {Record<string, string>} */
const WORDS = { error: "Text in the error", search: "With the value", created_after: "Enqueued since", created_before: "Enqueued before", finished_after: "Finished since", finished_before: "Finished before" };

/** @param {Pick<PageProps, "query" | "navigate">} props */
export function StartForm({ query, navigate }) {
  const filter = filterIn(query);
  const empty = Object.keys(filter).length === 0;
  const given = ACTIONS[query.get("action") ?? ""] ? String(query.get("action")) : ["failed", "cancelled"].includes(filter.state ?? "") || filter.fingerprint ? "retry" : "cancel";
  const [target, setTarget] = useState({ queue: "", priority: "", rate: "" });
  const [all, setAll] = useState(false);
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const request = requestOf(given, filter, empty, target);
  const asked = JSON.stringify({ ...request, rate: undefined });
  const key = useMemo(newKey, [JSON.stringify(request)]); // a second press starts nothing more
  const missing = (given === "move" && !target.queue) || (given === "set_priority" && !target.priority) || (empty && !all);
  const [counted, setCounted] = useState({ asked, before: /** @type {WholePreview | null} */ (null) });
  const before = counted.asked === asked ? counted.before : null; // what "Count further" goes on from
  const live = useLive(missing ? "none" : `${asked} ${before?.looked_to}`, (signal) => {
    return missing ? null : wholePreview((after) => call("POST", `/operations/preview${after ? `?after=${after}` : ""}`, { body: JSON.parse(asked), signal }), before);
  });
  /**
   * @param {string} name
   * @param {string} value
   */
  const change = (name, value) => {
    const changed = new URLSearchParams(query);
    if (value) changed.set(name, value);
    else changed.delete(name);
    navigate(changed.size > 0 ? `/operations/new?${changed}` : "/operations/new");
  };
  return html`<div class="page">
    <${PageHead} title="Act on all that match" back=${{ to: "/operations", word: "Operations" }} />
    <section class="panel"><h2>Which jobs</h2>
      <div class="fields">${FIELDS.filter((field) => ALWAYS.includes(field) || filter[field]).map((field) => html`<${FilterField} key=${field} field=${field} value=${filter[field] ?? ""} onChange=${/** @param {string} value */ (value) => change(field, value)} />`)}</div>
      ${empty && html`<label class="row check"><input type="checkbox" checked=${all} onChange=${/** @param {Changed} event */ (event) => setAll(event.target.checked)} /> Every job, without a filter</label>`}
    </section>
    <section class="panel"><h2>What to do</h2>
      <fieldset class="choices"><legend class="offscreen">Action</legend>${Object.entries(ACTIONS).map(([action, { word, of }]) => html`<label class="choice">
        <input type="radio" name="action" value=${action} checked=${action === given} onChange=${() => change("action", action)} />
        <span><strong>${word}</strong><br /><span class="small muted">${of}</span></span></label>`)}</fieldset>
      <${Target} action=${given} target=${target} onChange=${setTarget} />
    </section>
    <${Preview} live=${live} missing=${missing} action=${given} empty=${empty} onFurther=${() => setCounted({ asked, before: live.data })} />
    <${ProblemBox} problem=${problem} />
    <div class="row end wrap">
      <${StartButton} live=${live} missing=${missing} action=${given} onProblem=${setProblem} onDone=${/** @param {{ id: string }} made */ (made) => navigate(`/operations/${made.id}`)}
        start=${() => call("POST", "/operations", { body: request, headers: { "Idempotency-Key": key } })} />
    </div>
    <${Commands} commands=${useMemo(() => asCommands(request, serverUrl(), needsKey()), [JSON.stringify(request)])} />
  </div>`;
}

/**
 * @param {string} action
 * @param {Filter} filter
 * @param {boolean} empty
 * @param {Record<string, string>} target
 * @returns {OperationRequest}
 */
function requestOf(action, filter, empty, { queue, priority, rate }) {
  /** @type {OperationRequest} */
  const request = empty ? { action, all: true } : { action, filter };
  if (queue && (action === "move" || action === "retry")) request.queue = queue;
  if (priority && action === "set_priority") request.priority = Number(priority);
  if (rate) request.rate = rate;
  return request;
}

/** @param {{ field: string, value: string, onChange: (value: string) => void }} props */
function FilterField({ field, value, onChange }) {
  const word = WORDS[field] ?? field[0].toUpperCase() + field.slice(1);
  const changed = (/** @type {Changed} */ event) => onChange(event.target.value.trim());
  if (field === "state") {
    return html`<label class="field">${word}<select onChange=${changed}>
      <option value="" selected=${value === ""}>any</option>${STATES.map((state) => html`<option value=${state} selected=${state === value}>${state}</option>`)}
    </select></label>`;
  }
  return html`<label class="field">${word}<input type="search" key=${value} defaultValue=${value} placeholder="any" spellcheck=${false} autocomplete="off" onChange=${changed} /></label>`;
}

/** @param {{ action: string, target: Record<string, string>, onChange: (target: Record<string, string>) => void }} props */
function Target({ action, target, onChange }) {
  /**
   * @param {string} name
   * @param {string} word
   * @param {object} rest
   */
  const field = (name, word, rest) => html`<label class="field">${word}<input defaultValue=${target[name]} spellcheck=${false} autocomplete="off" onChange=${/** @param {Changed} event */ (event) => onChange({ ...target, [name]: event.target.value.trim() })} ...${rest} /></label>`;
  return html`<div class="fields">
    ${action === "move" && field("queue", "To queue", { required: true, key: "move" })}
    ${action === "retry" && field("queue", "In queue", { placeholder: "their own", key: "retry" })}
    ${action === "set_priority" && field("priority", "Priority, 1 is first", { type: "number", min: 1, max: 9, required: true })}
    ${field("rate", "No faster than", { placeholder: "as fast as it goes", list: "rates" })}
    <datalist id="rates"><option value="60/min" /><option value="200/min" /><option value="10/s" /></datalist>
  </div>`;
}

/** @param {{ live: Live<WholePreview | null>, missing: boolean, action: string, empty: boolean, onFurther: () => void }} props */
function Preview({ live, missing, action, empty, onFurther }) {
  if (missing) {
    const why = empty ? "Name the jobs, or say that you mean every job." : action === "move" ? "Name the queue." : "Say which priority.";
    return html`<section class="panel" aria-label="Preview"><p class="muted">${why}</p></section>`;
  }
  if (live.problem) return html`<${ProblemBox} problem=${live.problem} retry=${live.refresh} />`;
  if (!live.data) return html`<section class="panel" aria-label="Preview" aria-busy="true"><p class="muted">Counting…</p></section>`;
  const { matched, sample, complete, looked_to: last } = live.data;
  const skipped = skippedOf(live.data);
  return html`<section class="panel" aria-label="Preview" role="status">
    <p class="verdict-line"><strong>${jobs(matched)}${complete ? "" : " or more"}</strong> would be ${ACTIONS[action].done}.${skipped.count > 0 && html` <span class="muted">${jobs(skipped.count)} skipped: ${skipped.reasons.join(", ")}.</span>`}</p>
    ${!complete && last && html`<p class="row wrap"><span class="muted">Counted are the jobs up to <${Moment} at=${timeOf(last)} />, the oldest first; more can follow.</span>
      <button type="button" onClick=${onFurther}>Count further</button></p>`}
    ${sample.length > 0 && html`<p class="small muted">Such as ${sample.slice(0, 3).map((id, place) => html`${place > 0 ? ", " : ""}<${Link} to=${`/jobs/${id}`}>${id.slice(-12)}</${Link}>`)}.</p>`}
  </section>`;
}

/** @param {{ live: Live<WholePreview | null>, missing: boolean, action: string, start: () => unknown } & Outcome} props */
function StartButton({ live, missing, action, start, onDone, onProblem }) {
  const { word, danger = false, done } = ACTIONS[action];
  const count = missing || !live.data ? 0 : live.data.matched;
  const name = count === 0 ? word : `${word}: ${jobs(count)}${live.data?.complete ? "" : " or more"}`;
  const confirm = { title: `${name}?`, text: `They are ${done} in the background; you see how far it is, and can stop it.${action === "delete" ? " Deleted jobs do not come back." : ""}`, action: word === "Cancel" ? "Cancel jobs" : word, danger };
  return html`<${ActionButton} class=${danger ? "danger" : "primary"} needs="admin" disabled=${count === 0} confirm=${confirm} act=${start} onDone=${onDone} onProblem=${onProblem}>${name}</${ActionButton}>`;
}
