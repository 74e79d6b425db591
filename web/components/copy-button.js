// The button that copies text to the clipboard. Must never say that it copied what it did not.

import { element, setText } from "../lib/dom.js";
import { icon } from "./icon.js";

/** A button that copies the present value of `text()`. */
export function copyButton(text, label = "Copy") {
  const word = element("span", { "aria-live": "polite" }, label);
  const button = element("button", { type: "button", class: "quiet copy", click: act }, icon("copy"), word);
  return button;

  async function act() {
    const done = await copy(text());
    setText(word, done ? "Copied" : "Press Ctrl+C");
    setTimeout(() => setText(word, label), 1600);
  }
}

/** Copies; a page without HTTPS has no clipboard API and uses `execCommand`. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = element("textarea", { class: "offscreen", "aria-hidden": "true" });
    field.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}
