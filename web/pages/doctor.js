// The page of the doctor: what is wrong with the installation, the worst first, with the advice. Must never look healthy
// when the checks could not run.

import { html } from "../ui/html.js";
import { useResource } from "../ui/live.js";
import { PageHead, Shown, Tag } from "../ui/parts.js";

const ORDER = ["critical", "warning", "info"];
/** @type {Record<string, string>} */
const TONES = { critical: "bad", warning: "busy", info: "" };

export function Page() {
  /** @type {Live<Items<Api.Finding>>} */
  const live = useResource("/doctor");
  return html`<div class="page">
    <${PageHead} title="Doctor" live=${live} />
    <${Shown} live=${live}>${/** @param {Items<Api.Finding>} page */ ({ items }) => html`<${Findings} items=${items} />`}</${Shown}>
  </div>`;
}

/** @param {{ items: Api.Finding[] }} props */
function Findings({ items }) {
  /** @param {string} severity */
  const count = (severity) => items.filter((each) => each.severity === severity).length;
  const bad = count("critical") + count("warning");
  const sorted = [...items].sort((one, other) => ORDER.indexOf(one.severity) - ORDER.indexOf(other.severity));
  return html`<p role="status">${bad === 0 ? "No problem was found." : `${count("critical")} critical, ${count("warning")} ${count("warning") === 1 ? "warning" : "warnings"}.`}</p>
    <ul class="plain findings" role="list">${sorted.map((finding) => html`<li class="panel" key=${finding.check + finding.message}>
      <div class="row wrap"><${Tag} tone=${TONES[finding.severity] ?? ""}>${finding.severity}</${Tag}><strong>${finding.check}</strong></div>
      <p>${finding.message}</p>
      <p class="muted">${finding.advice}</p>
      ${finding.details && html`<details><summary>Details</summary><pre class="small">${JSON.stringify(finding.details, null, 2)}</pre></details>`}
    </li>`)}</ul>`;
}
