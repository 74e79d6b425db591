// The parts that the pages of operations share: the state of an operation, and its commands to copy. Must never show a
// state by its colour alone.

import { html } from "./html.js";
import { Languages } from "./languages.js";
import { Tag } from "./parts.js";

/** @type {Record<string, string>} */
const TONES = { running: "busy", done: "good", cancelled: "" };

/** @param {{ operation: Api.OperationDocument }} props */
export function OperationState({ operation }) {
  if (operation.state === "running" && operation.problem) return html`<${Tag} tone="warn" title=${operation.problem}>tries again</${Tag}>`;
  return html`<${Tag} tone=${operation.state === "done" && operation.failed > 0 ? "warn" : TONES[operation.state] ?? ""}>${operation.state}</${Tag}>`;
}

/**
 * `commands` are texts by their label.
 * @param {{ commands: Record<string, string> }} props
 */
export function Commands({ commands }) {
  return html`<details class="panel commands"><summary>The same as a command</summary><${Languages} commands=${commands} /></details>`;
}
