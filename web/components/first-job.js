// What a list without any job shows: the way to the first one, each step marked when it is done, and the command in four
// languages with the real address. Must never show an example that nobody can run while something better is known.

import { get } from "../lib/api.js";
import { serverUrl } from "../lib/base-path.js";
import { enqueueCommands } from "../lib/curl.js";
import { needsKey } from "../lib/role.js";
import { html, useEffect, useState } from "../ui/html.js";
import { Languages } from "../ui/languages.js";
import { Link, Loading } from "../ui/parts.js";

/**
 * `workers` are live. The example enqueues a kind that somebody serves.
 * @param {{ workers: number }} props
 */
export function FirstJob({ workers }) {
  const [kind, setKind] = useState(/** @type {string | null | undefined} */ (undefined));
  useEffect(() => {
    /** @param {Items<Api.KindDocument>} kinds */
    const found = ({ items }) => setKind(items.find(({ name }) => !name.startsWith("tidemill."))?.name ?? null);
    get("/kinds").then(found, () => setKind(null));
  }, [workers]);
  if (kind === undefined) return html`<${Loading} />`;
  return html`<div class="empty first-job">
    <h3>No jobs yet</h3>
    <ol class="steps plain">
      <${Step} done>The server answers. <code>${serverUrl()}</code></${Step}>
      ${workers > 0
        ? html`<${Step} done>${workers === 1 ? "A worker is" : `${workers} workers are`} connected.</${Step}>`
        : html`<${Step} more=${{ shell: "tidemill worker" }}>No worker is connected. Start one:</${Step}>`}
      ${kind ? html`<${Step} done>It serves a kind: <code>${kind}</code></${Step}>` : html`<${Step}>No kind is known yet: a section [kinds.NAME] of the config is one, or a function of a worker.</${Step}>`}
      <${Step} more=${enqueueCommands(serverUrl(), { kind: kind ?? "YOUR-KIND", args: {} }, needsKey())}>Enqueue the first job:</${Step}>
    </ol>
    <${Link} class="button primary" to="/enqueue">Or fill in the form</${Link}>
  </div>`;
}

/**
 * `more` are commands by their language.
 * @param {{ done?: boolean, more?: Record<string, string> | null, children?: Child }} props
 */
function Step({ done = false, more = null, children }) {
  return html`<li class="first-step" data-done=${String(done)}>
    <span class="step-mark" aria-hidden="true">${done ? "✓" : "○"}</span>
    <div><p><span class="offscreen">${done ? "Done: " : "To do: "}</span>${children}</p>${more && html`<div class="languages"><${Languages} commands=${more} /></div>`}</div></li>`;
}
