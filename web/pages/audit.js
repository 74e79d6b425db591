// The page of the audit trail: who did what to which object, with the state before and after. Must never show what the
// server redacted.

import { DataTable, Pager } from "../ui/data-table.js";
import { html } from "../ui/html.js";
import { useResource } from "../ui/live.js";
import { Empty, Link, Moment, PageHead, Shown } from "../ui/parts.js";

/** @type {Record<string, string>} */
/**
 * @typedef {Record<string, unknown> | null | undefined} Fields The fields of an object, before or after an action.
 * @typedef {Api.Act & { before?: Fields, after?: Fields }} Action
 */

/** @type {Record<string, string>} */
const PLACES = { job: "/jobs/", schedule: "/schedules/", workflow: "/workflows/" };

/** @param {PageProps} props */
export function Page({ query, navigate }) {
  const path = `/audit?${new URLSearchParams([...query].filter(([name, value]) => ["subject", "who", "cursor"].includes(name) && value))}`;
  /** @type {Live<Items<Action>>} */
  const live = useResource(path);
  /** @param {Submitted} event */
  const filter = (event) => {
    event.preventDefault();
    const given = new URLSearchParams([...new FormData(event.target)].map(([name, value]) => [name, String(value).trim()]).filter(([, value]) => value));
    navigate(given.size > 0 ? `/audit?${given}` : "/audit");
  };
  /**
   * @param {string} name
   * @param {string} word
   * @param {string} hint
   */
  const field = (name, word, hint) => html`<label class="field">${word}<input name=${name} key=${query.get(name)} defaultValue=${query.get(name) ?? ""} placeholder=${hint} /></label>`;
  return html`<div class="page">
    <${PageHead} title="Audit" live=${live} />
    <form class="fields" role="search" aria-label="Filter actions" onSubmit=${filter}>
      ${field("subject", "Object", "queue:NAME, job:ID …")}${field("who", "Who", "a key or a database user")}
      <div class="row"><button type="submit">Filter</button></div>
    </form>
    <${Shown} live=${live}>${/** @param {Items<Action>} page */ ({ items, next_cursor: next }) => items.length === 0
      ? html`<${Empty} title="No actions"><p>${query.size > 0 ? "None matches the filter." : "Actions of people and of configs appear here and are kept for a year."}</p></${Empty}>`
      : html`<${Actions} rows=${items} /><${Pager} path="/audit" query=${query} next=${next} navigate=${navigate} />`}</${Shown}>
  </div>`;
}

/** @param {{ rows: Action[] }} props */
function Actions({ rows }) {
  /** @type {Column<Action>[]} */
  const columns = [
    { word: "When", width: "130px", cell: (action) => html`<${Moment} at=${action.at} />` },
    { word: "Who", width: "170px", cell: (action) => html`<span title=${`database user ${action.db_user}`}>${action.who}</span>` },
    { word: "Action", width: "160px", main: true, cell: (action) => action.action },
    { word: "Object", cell: (action) => html`<${Subject} subject=${action.subject} />` },
    { word: "Change", cell: (action) => html`<${Change} action=${action} />` },
  ];
  return html`<${DataTable} caption="Actions" columns=${columns} rows=${rows} keyOf=${/** @param {Action} action */ (action) => action.id} />`;
}

/** @param {{ subject: string }} props */
function Subject({ subject }) {
  const [noun, ...rest] = subject.split(":");
  const place = PLACES[noun];
  return place ? html`<${Link} to=${place + encodeURIComponent(rest.join(":"))} title=${subject}>${subject}</${Link}>` : html`<span title=${subject}>${subject}</span>`;
}

/** @param {{ action: Action }} props */
function Change({ action }) {
  const fields = changed(action.before, action.after);
  if (fields.length === 0) return html`<span class="muted">–</span>`;
  return html`<details class="lines"><summary>${fields.map(([name]) => name).join(", ")}</summary>
    <dl class="changes">${fields.map(([name, before, after]) => html`<dt>${name}</dt><dd>${word(before)} → ${word(after)}</dd>`)}</dl>
  </details>`;
}

/**
 * The fields that differ, as `[name, before, after]`.
 * @param {Fields} before
 * @param {Fields} after
 * @returns {[string, unknown, unknown][]}
 */
export function changed(before, after) {
  const names = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  /** @type {[string, unknown, unknown][]} */
  const rows = [...names].map((name) => [name, before?.[name], after?.[name]]);
  return rows.filter(([, one, other]) => JSON.stringify(one) !== JSON.stringify(other));
}

/** @param {unknown} value */
function word(value) {
  if (value === undefined || value === null) return "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}
