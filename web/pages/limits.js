// The page of the limits: how many jobs of each key run or start at once, and the form that changes it. Must never show
// a limit of 0 as none: it stops its jobs.

import { call } from "../lib/api.js";
import { period } from "../lib/format-time.js";
import { DataTable, Pager } from "../ui/data-table.js";
import { html, useState } from "../ui/html.js";
import { useLive } from "../ui/live.js";
import { ActionButton, Empty, Moment, NeedsScope, PageHead, ProblemBox, Shown, Tag } from "../ui/parts.js";

const ON_FULL = { queue: "jobs wait", cancel_newest: "the newest is cancelled", cancel_oldest: "the oldest is cancelled" };

export function Page({ query, navigate }) {
  const cursor = query.get("cursor");
  const path = cursor ? `/limits?cursor=${encodeURIComponent(cursor)}` : "/limits";
  const live = useLive(path, (signal) => call("GET", path, { signal }));
  const [edited, setEdited] = useState(null);
  const [problem, setProblem] = useState(null);
  const saved = () => (setEdited(null), live.refresh());
  return html`<div class="page">
    <${PageHead} title="Limits" live=${live}>
      <${NeedsScope} scope="admin"><button type="button" onClick=${() => setEdited({ isNew: true })}>New limit</button></${NeedsScope}>
    </${PageHead}>
    ${edited && html`<${LimitForm} key=${edited.name ?? "new"} limit=${edited} onSaved=${saved} onLeft=${() => setEdited(null)} />`}
    <${ProblemBox} problem=${problem} />
    <${Shown} live=${live}>${({ items, next_cursor: next }) => items.length === 0
      ? html`<${Empty} title="No limits"><p>A limit bounds how many jobs of one key run or start at once, over all workers. A job names its keys in <code>concurrency_key</code>.</p></${Empty}>`
      : html`<${Limits} rows=${items} onEdit=${setEdited} onDone=${live.refresh} onProblem=${setProblem} />
        <${Pager} path="/limits" query=${query} next=${next} navigate=${navigate} />`}</${Shown}>
  </div>`;
}

function Limits({ rows, onEdit, onDone, onProblem }) {
  const columns = [
    { word: "Limit", main: true, cell: (limit) => html`<span title=${limit.name}>${limit.name}</span>` },
    { word: "At once per key", width: "140px", end: true, cell: (limit) => html`<${AtOnce} most=${limit.max_running} />` },
    { word: "Rate", width: "190px", cell: rateOf },
    { word: "When full", width: "190px", cell: (limit) => ON_FULL[limit.on_full] ?? limit.on_full },
    { word: "Changed", width: "120px", cell: (limit) => html`<${Moment} at=${limit.updated_at} />` },
    {
      word: "", width: "210px", end: true, cell: (limit) => html`
        <${NeedsScope} scope="admin"><button type="button" class="quiet" aria-label=${`Change ${limit.name}`} onClick=${() => onEdit(limit)}>Change</button></${NeedsScope}>
        <${ActionButton} class="quiet" needs="admin" aria-label=${`Remove ${limit.name}`} onDone=${onDone} onProblem=${onProblem}
          confirm=${{ title: `Remove the limit ${limit.name}?`, text: "Jobs that wait for it can start at once.", action: "Remove limit", danger: true }}
          act=${() => call("DELETE", `/limits/${encodeURIComponent(limit.name)}`)}>Remove</${ActionButton}>`,
    },
  ];
  return html`<${DataTable} caption="Limits" columns=${columns} rows=${rows} keyOf=${(limit) => limit.name} />`;
}

function AtOnce({ most }) {
  if (most === 0) return html`<${Tag} tone="bad" title="No job of this limit starts.">stopped</${Tag}>`;
  return most ?? "–";
}

function rateOf(limit) {
  if (limit.rate === null) return "–";
  const burst = limit.burst !== null && limit.burst !== limit.rate ? `, burst ${limit.burst}` : "";
  return `${limit.rate} every ${period(limit.per_seconds * 1000)}${burst}`;
}

/** The form of a new limit or of one that is changed; the server judges the values. */
function LimitForm({ limit, onSaved, onLeft }) {
  const [problem, setProblem] = useState(null);
  const save = async (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    const number = (name) => (given.get(name) === "" ? null : Number(given.get(name)));
    const rate = number("rate");
    const body = { max_running: number("max_running"), rate, per: rate === null ? null : given.get("per"), on_full: given.get("on_full") };
    try {
      setProblem(null);
      await call("PUT", `/limits/${encodeURIComponent(limit.name ?? given.get("name"))}`, { body });
      onSaved();
    } catch (refused) {
      setProblem(refused);
    }
  };
  const field = (name, word, value, rest = {}) => html`<label class="field">${word}<input name=${name} defaultValue=${value ?? ""} ...${rest} /></label>`;
  return html`<form class="panel edit" aria-label=${limit.name ? `Change ${limit.name}` : "New limit"} onSubmit=${save}>
    <h2>${limit.name ?? "New limit"}</h2>
    <div class="fields">
      ${limit.isNew && field("name", "Name", "", { required: true, autofocus: true })}
      ${field("max_running", "Jobs at once per key", limit.max_running, { type: "number", min: 0, placeholder: "no bound" })}
      ${field("rate", "Starts", limit.rate, { type: "number", min: 1, placeholder: "no bound" })}
      ${field("per", "in each", limit.per_seconds ? `${limit.per_seconds}s` : "1m")}
      <label class="field">When full<select name="on_full" defaultValue=${limit.on_full ?? "queue"}>
        ${Object.entries(ON_FULL).map(([value, word]) => html`<option value=${value} selected=${value === (limit.on_full ?? "queue")}>${word}</option>`)}
      </select></label>
    </div>
    <${ProblemBox} problem=${problem} />
    <div class="row end"><button type="button" onClick=${onLeft}>Leave it</button><button type="submit" class="primary">Save limit</button></div>
  </form>`;
}
