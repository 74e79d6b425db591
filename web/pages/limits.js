// The page of the limits: how many jobs of each key run or start at once, and the form that changes it. Must never show
// a limit of 0 as none: it stops its jobs.

import { call } from "../lib/api.js";
import { period } from "../lib/format-time.js";
import { DataTable, Pager, pageIn } from "../ui/data-table.js";
import { EditForm, field, textIn } from "../ui/edit-form.js";
import { html, useState } from "../ui/html.js";
import { useResource } from "../ui/live.js";
import { ActionButton, Empty, Moment, NeedsScope, PageHead, ProblemBox, Shown, Tag } from "../ui/parts.js";

/** @typedef {Partial<Api.LimitDocument> & { isNew?: boolean }} Edited */

/** @type {Record<string, string>} */
const ON_FULL = { queue: "jobs wait", cancel_newest: "the newest is cancelled", cancel_oldest: "the oldest is cancelled" };

/** @param {PageProps} props */
export function Page({ query, navigate }) {
  /** @type {Live<Items<Api.LimitDocument>>} */
  const live = useResource(pageIn("/limits", query));
  const [edited, setEdited] = useState(/** @type {Edited | null} */ (null));
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const saved = () => (setEdited(null), live.refresh());
  return html`<div class="page">
    <${PageHead} title="Limits" live=${live}>
      <${NeedsScope} scope="admin"><button type="button" onClick=${() => setEdited({ isNew: true })}>New limit</button></${NeedsScope}>
    </${PageHead}>
    ${edited && html`<${LimitForm} key=${edited.name ?? "new"} limit=${edited} onSaved=${saved} onLeft=${() => setEdited(null)} />`}
    <${ProblemBox} problem=${problem} />
    <${Shown} live=${live}>${/** @param {Items<Api.LimitDocument>} page */ ({ items, next_cursor: next }) => items.length === 0
      ? html`<${Empty} title="No limits"><p>A limit bounds how many jobs of one key run or start at once, over all workers. A job names its keys in <code>concurrency_key</code>.</p></${Empty}>`
      : html`<${Limits} rows=${items} onEdit=${setEdited} onDone=${live.refresh} onProblem=${setProblem} />
        <${Pager} path="/limits" query=${query} next=${next} navigate=${navigate} />`}</${Shown}>
  </div>`;
}

/** @param {{ rows: Api.LimitDocument[], onEdit: (limit: Edited) => void } & Outcome} props */
function Limits({ rows, onEdit, onDone, onProblem }) {
  /** @type {Column<Api.LimitDocument>[]} */
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
  return html`<${DataTable} caption="Limits" columns=${columns} rows=${rows} keyOf=${/** @param {Api.LimitDocument} limit */ (limit) => limit.name} />`;
}

/** @param {{ most?: number | null }} props */
function AtOnce({ most }) {
  if (most === 0) return html`<${Tag} tone="bad" title="No job of this limit starts.">stopped</${Tag}>`;
  return most ?? "–";
}

/** @param {Api.LimitDocument} limit */
function rateOf(limit) {
  if (limit.rate === null) return "–";
  const burst = limit.burst !== null && limit.burst !== limit.rate ? `, burst ${limit.burst}` : "";
  return `${limit.rate} every ${period((limit.per_seconds ?? 0) * 1000)}${burst}`;
}

/**
 * The form of a new limit or of one that is changed; the server judges the values.
 * @param {{ limit: Edited, onSaved: () => void, onLeft: () => void }} props
 */
function LimitForm({ limit, onSaved, onLeft }) {
  const save = async (/** @type {FormData} */ given) => {
    const number = (/** @type {string} */ name) => (given.get(name) === "" ? null : Number(given.get(name)));
    const rate = number("rate");
    const body = { max_running: number("max_running"), rate, per: rate === null ? null : given.get("per"), on_full: given.get("on_full") };
    await call("PUT", `/limits/${encodeURIComponent(limit.name ?? textIn(given, "name"))}`, { body });
    onSaved();
  };
  return html`<${EditForm} title=${limit.name ?? "New limit"} label=${limit.name ? `Change ${limit.name}` : "New limit"} button="Save limit" save=${save} onLeft=${onLeft}>
    <div class="fields">
      ${limit.isNew && field("name", "Name", "", { required: true, autofocus: true })}
      ${field("max_running", "Jobs at once per key", limit.max_running, { type: "number", min: 0, placeholder: "no bound" })}
      ${field("rate", "Starts", limit.rate, { type: "number", min: 1, placeholder: "no bound" })}
      ${field("per", "in each", limit.per_seconds ? `${limit.per_seconds}s` : "1m")}
      <label class="field">When full<select name="on_full" defaultValue=${limit.on_full ?? "queue"}>
        ${Object.entries(ON_FULL).map(([value, word]) => html`<option value=${value} selected=${value === (limit.on_full ?? "queue")}>${word}</option>`)}
      </select></label>
    </div>
  </${EditForm}>`;
}
