// The page of the settings: what this process was started with, and where each value comes from. Must never show a secret:
// the server sends none.

import { DataTable } from "../ui/data-table.js";
import { html, useState } from "../ui/html.js";
import { useResource } from "../ui/live.js";
import { Empty, PageHead, Shown, Tag } from "../ui/parts.js";

/** @param {PageProps} props */
export function Page({ query, navigate }) {
  /** @type {Live<Items<Api.ShownSetting>>} */
  const live = useResource("/settings");
  const [text, setText] = useState(query.get("text") ?? "");
  const all = query.get("all") === "true";
  /** @param {Record<string, unknown>} change */
  const go = (change) => {
    const asked = { text, all, ...change };
    const next = new URLSearchParams(Object.entries(asked).filter(([, value]) => value).map(([name, value]) => [name, String(value)]));
    navigate(next.size > 0 ? `/settings?${next}` : "/settings");
  };
  return html`<div class="page">
    <${PageHead} title="Settings" live=${live}>
      <label class="field inline">Find <input type="search" value=${text} placeholder="api.listen" spellcheck=${false} autocomplete="off" onInput=${/** @param {Changed} event */ (event) => setText(event.target.value)} onChange=${() => go({})} /></label>
      <label class="field inline"><input type="checkbox" checked=${all} onChange=${/** @param {Changed} event */ (event) => go({ all: event.target.checked })} /> also defaults</label>
    </${PageHead}>
    <p class="muted">Of the process that answers; others of the installation can have others. <code>tidemill config</code> shows the same.</p>
    <${Shown} live=${live}>${/** @param {Items<Api.ShownSetting>} page */ ({ items }) => html`<${Settings} rows=${chosen(items, text, all)} />`}</${Shown}>
  </div>`;
}

/**
 * @param {Api.ShownSetting[]} items
 * @param {string} text
 * @param {boolean} all
 */
function chosen(items, text, all) {
  return items.filter((item) => (all || text || item.source !== "default") && `${item.key} ${item.value ?? ""}`.toLowerCase().includes(text.toLowerCase()));
}

/** @param {{ rows: Api.ShownSetting[] }} props */
function Settings({ rows }) {
  if (rows.length === 0) return html`<${Empty} title="No such setting"><p>Everything else has its default.</p></${Empty}>`;
  /** @type {Column<Api.ShownSetting>[]} */
  const columns = [
    { word: "Setting", main: true, width: "32%", cell: (row) => html`<code title=${row.key}>${row.key}</code>` },
    { word: "Value", cell: (row) => html`<span class="lines">${row.value ?? "–"}</span>` },
    { word: "Source", width: "28%", cell: (row) => html`<${Tag} tone=${row.source === "default" ? "" : "busy"} title=${row.source}>${row.source}</${Tag}>` },
  ];
  return html`<${DataTable} caption="Settings" columns=${columns} rows=${rows} keyOf=${/** @param {Api.ShownSetting} row */ (row) => row.key} />`;
}
