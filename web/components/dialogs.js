// Dialogs: for the API key, and to confirm an action. Must never take a closed dialog for a yes.

import { element } from "../lib/dom.js";

/** Asks for an API key. Resolves to it, or to null if the dialog was closed. */
export function askForKey(refused) {
  const field = element("input", { id: "key", type: "password", required: true, autocomplete: "off", spellcheck: "false", placeholder: "tm_…" });
  const text = refused ? "That key was not accepted. Try another one." : "This server asks for an API key.";
  return ask({
    title: "Sign in",
    body: [
      element("p", { role: refused ? "alert" : null, class: refused ? "wrong" : null }, text),
      element("label", { for: "key" }, "Key"), field,
      element("p", { class: "hint" }, "It opens a session of 12 hours in this browser, and is kept nowhere. ", element("code", {}, "tidemill keys create --scope admin"), " makes one."),
    ],
    action: "Sign in",
    answer: () => field.value.trim() || null,
  });
}

/** Asks for a text, such as a name. Resolves to it, or to null if there is none. */
export function askForText({ title, text, label, action, value = "" }) {
  const field = element("input", { id: "asked-text", required: true, maxlength: 80, autocomplete: "off", value });
  return ask({ title, body: [element("p", { class: "muted" }, text), element("label", { for: "asked-text" }, label), field], action, answer: () => field.value.trim() || null });
}

/** Asks for a confirmation. Resolves to true or false. */
export async function confirmed({ title, text, action, danger = false, keep = "Keep it" }) {
  const answer = await ask({ title, body: [element("p", {}, text)], action, danger, keep, answer: () => true });
  return answer === true;
}

function ask({ title, body, action, answer, danger = false, keep = "Not now" }) {
  return new Promise((resolve) => {
    let given = null;
    const form = element("form", { submit: submit },
      element("h2", { id: "dialog-title" }, title), ...body,
      element("div", { class: "row end" },
        element("button", { type: "button", click: () => dialog.close() }, keep),
        element("button", { type: "submit", class: danger ? "danger solid" : "primary" }, action)));
    const dialog = element("dialog", { "aria-labelledby": "dialog-title", close: leave }, form);
    document.body.append(dialog);
    dialog.showModal();

    function submit(event) {
      event.preventDefault();
      given = answer();
      if (given !== null) dialog.close();
    }
    function leave() {
      dialog.remove();
      resolve(given);
    }
  });
}
