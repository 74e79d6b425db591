// The table of a page, in the order of the server, with the links "newest" and "older" for lists with pages. Must never
// sort its rows, because it has only one page of them.

import { html } from "./html.js";

/**
 * `columns` are `{word, cell(row), width, end, main}`: the width as CSS, `end` for numbers, `main` for the cell that
 * heads the row (and its card on a phone). `keyOf(row)` tells rows apart.
 * @template T
 * @param {{ caption: string, columns: Column<T>[], rows: T[], keyOf: (row: T) => string | number }} props
 */
export function DataTable({ caption, columns, rows, keyOf }) {
  return html`<table class="data" role="table">
    <caption class="offscreen">${caption}</caption>
    <colgroup>${columns.map((column) => html`<col style=${column.width ? { width: column.width } : null} />`)}</colgroup>
    <thead role="rowgroup"><tr role="row">${columns.map((column) => html`<th role="columnheader" scope="col" class=${column.end ? "number" : null}>${column.word || html`<span class="offscreen">Acts</span>`}</th>`)}</tr></thead>
    <tbody role="rowgroup">${rows.map((row) => html`<tr role="row" key=${keyOf(row)}>${columns.map((column) => cell(column, row))}</tr>`)}</tbody>
  </table>`;
}

/**
 * @template T
 * @param {Column<T>} column
 * @param {T} row
 */
function cell(column, row) {
  const name = `${column.end ? "number " : ""}${column.main ? "main" : ""}`;
  if (column.main) return html`<th role="rowheader" scope="row" class=${name}>${column.cell(row)}</th>`;
  return html`<td role="cell" class=${name} data-label=${column.word}>${column.cell(row)}</td>`;
}

/**
 * The links through the pages of a list; the cursor is in the URL: `?cursor=`.
 * @param {{ path: string, query: URLSearchParams, next?: string | null, navigate: Navigate }} props
 */
export function Pager({ path, query, next, navigate }) {
  const at = query.get("cursor");
  if (!at && !next) return null;
  /** @param {string | null} [cursor] */
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

/**
 * The address in the API of the page of a list that the URL names.
 *
 * @param {string} path
 * @param {URLSearchParams} query
 */
export function pageIn(path, query) {
  const cursor = query.get("cursor");
  return cursor ? `${path}?cursor=${encodeURIComponent(cursor)}` : path;
}
