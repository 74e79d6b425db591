// The parts that the pages of operations share: the state of an operation, and its commands to copy. Must never show a
// state by its colour alone.

import { html, useState } from "./html.js";
import { CopyButton, Tag } from "./parts.js";

const TONES = { running: "busy", done: "good", cancelled: "" };

export function OperationState({ operation }) {
  if (operation.state === "running" && operation.problem) return html`<${Tag} tone="warn" title=${operation.problem}>tries again</${Tag}>`;
  return html`<${Tag} tone=${operation.state === "done" && operation.failed > 0 ? "warn" : TONES[operation.state] ?? ""}>${operation.state}</${Tag}>`;
}

/** `commands` are texts by their label; one is shown at a time. */
export function Commands({ commands }) {
  const words = Object.keys(commands);
  const [shown, setShown] = useState(words[0]);
  return html`<details class="panel commands">
    <summary>The same as a command</summary>
    <div class="row wrap" role="group" aria-label="Language">${words.map((word) => html`<button type="button" class="quiet" aria-pressed=${word === shown} onClick=${() => setShown(word)}>${word}</button>`)}</div>
    <div class="code-box"><pre>${commands[shown]}</pre><${CopyButton} text=${commands[shown]} /></div>
  </details>`;
}
