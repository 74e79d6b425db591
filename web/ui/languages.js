// Commands by their language to copy, one shown at a time. Must never show two of them as pressed.

import { CopyButton } from "../components/copy-button.js";
import { html, useState } from "./html.js";

/** @param {{ commands: Record<string, string> }} props */
export function Languages({ commands }) {
  const words = Object.keys(commands);
  const [shown, setShown] = useState(words[0]);
  return html`${words.length > 1 && html`<div class="row wrap" role="group" aria-label="Language">${words.map((word) => html`<button type="button" class="quiet" aria-pressed=${word === shown} onClick=${() => setShown(word)}>${word}</button>`)}</div>`}
    <div class="code-box"><pre>${commands[shown]}</pre><${CopyButton} text=${commands[shown]} /></div>`;
}
