// The button that copies text to the clipboard. Must never say that it copied what it did not.

import { html, useState } from "../ui/html.js";
import { Icon } from "./icon.js";

/**
 * `text` is what it copies, or a function that makes it.
 * @param {{ text: string | (() => string) }} props
 */
export function CopyButton({ text }) {
  const [word, setWord] = useState("Copy");
  const act = async () => {
    const done = await copy(typeof text === "function" ? text() : text);
    setWord(done ? "Copied" : "Press Ctrl+C");
    setTimeout(() => setWord("Copy"), 1600);
  };
  return html`<button type="button" class="quiet copy" onClick=${act}><${Icon} name="copy" /><span aria-live="polite">${word}</span></button>`;
}

/**
 * Copies; a page without HTTPS has no clipboard API and uses `execCommand`.
 * @param {string} text
 */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = Object.assign(document.createElement("textarea"), { className: "offscreen", ariaHidden: "true", value: text });
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}
