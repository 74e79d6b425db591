// The table of a page, in the order in which the server sorts, with "newest" and "older" for lists by pages. Must never
// sort what it has: it has one page only.

import { html } from "./html.js";

/**
 * `columns` are `{word, cell(row), width, end, main}`: the width as CSS, `end` for numbers, `main` for the cell that
 * heads the row (and its card on a phone). `keyOf(row)` tells rows apart.
 */
export function DataTable({ caption, columns, rows, keyOf }) {
  return html`<table class="data" role="table">
    <caption class="offscreen">${caption}</caption>
    <colgroup>${columns.map((column) => html`<col style=${column.width ? { width: column.width } : null} />`)}</colgroup>
    <thead role="rowgroup"><tr role="row">${columns.map((column) => html`<th role="columnheader" scope="col" class=${column.end ? "number" : null}>${column.word || html`<span class="offscreen">Acts</span>`}</th>`)}</tr></thead>
    <tbody role="rowgroup">${rows.map((row) => html`<tr role="row" key=${keyOf(row)}>${columns.map((column) => cell(column, row))}</tr>`)}</tbody>
  </table>`;
}

function cell(column, row) {
  const name = `${column.end ? "number " : ""}${column.main ? "main" : ""}`;
  if (column.main) return html`<th role="rowheader" scope="row" class=${name}>${column.cell(row)}</th>`;
  return html`<td role="cell" class=${name} data-label=${column.word}>${column.cell(row)}</td>`;
}

/** The way through a list by its cursors, which are in the address: `?cursor=`. */
export function Pager({ path, query, next, navigate }) {
  const at = query.get("cursor");
  if (!at && !next) return null;
  const address = (cursor) => {
    const changed = new URLSearchParams(query);
    if (cursor) changed.set("cursor", cursor);
    else changed.delete("cursor");
    return changed.size > 0 ? `${path}?${changed}` : path;
  };
  return html`<nav class="row end pager" aria-label="Pages">
    <button type="button" disabled=${!at} onClick=${() => navigate(address(null))}>First page</button>
    <button type="button" disabled=${!next} onClick=${() => navigate(address(next))}>Next page</button>
  </nav>`;
}
