// The names that a field suggests, each once and sorted. Must never limit what can be typed.

import { html } from "../ui/html.js";

/** @param {{ id: string, names: string[] }} props */
export function NameList({ id, names }) {
  return html`<datalist id=${id}>${[...new Set(names)].sort().map((name) => html`<option value=${name} />`)}</datalist>`;
}
