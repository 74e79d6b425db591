// A JSON value as a panel: indented, and folded when it is long. Must never put more into the page than its bound.

import { prettyJson } from "../lib/json.js";
import { html, useMemo, useRef } from "../ui/html.js";
import { CopyButton } from "./copy-button.js";

const OPEN_LINES = 16;
const MOST_SHOWN = 256 * 1024; // characters

/**
 * Null shows nothing.
 * @param {{ title: string, value: unknown }} props
 */
export function PayloadPanel({ title, value }) {
  const text = useMemo(() => (value == null ? null : prettyJson(value)), [value]);
  const isOpen = useRef(/** @type {boolean | null} */ (null)); // as the first value has it; then it is the reader's
  if (text === null) return null;
  const lines = text.split("\n").length;
  isOpen.current ??= lines <= OPEN_LINES;
  const shown = text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}\n… (${text.length} characters in all; Copy takes the whole)` : text;
  return html`<details class="panel payload" open=${isOpen.current}>
    <summary><h2>${title}</h2><span class="small muted">${lines > OPEN_LINES && `${lines} lines`}</span></summary>
    <div class="code-box"><pre class="json" tabindex="0" aria-label=${title}>${shown}</pre><${CopyButton} text=${text} /></div></details>`;
}
