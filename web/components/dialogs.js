// Dialogs: for the API key, and to confirm an action. Must never take a closed dialog for a yes.

import { html, render } from "../ui/html.js";

/**
 * Asks for an API key. Resolves to it, or to null if the dialog was closed.
 * @param {boolean} refused
 */
export function askForKey(refused) {
  const text = refused ? "That key was not accepted. Try another one." : "This server asks for an API key.";
  return ask({
    title: "Sign in",
    body: html`<p role=${refused ? "alert" : null} class=${refused ? "wrong" : null}>${text}</p>
      <label for="key">Key</label><input id="key" type="password" required autocomplete="off" spellcheck=${false} placeholder="tm_…" />
      <p class="hint">It opens a session of 12 hours in this browser, and is kept nowhere. <code>tidemill keys create --scope admin</code> makes one.</p>`,
    action: "Sign in",
    answer: ({ key }) => key.value.trim() || null,
  });
}

/**
 * Asks for a text, such as a name. Resolves to it, or to null if there is none.
 * @param {{ title: string, text: string, label: string, action: string }} question
 * @returns {Promise<string | null>}
 */
export function askForText({ title, text, label, action }) {
  const body = html`<p class="muted">${text}</p><label for="asked">${label}</label><input id="asked" required maxlength="80" autocomplete="off" />`;
  return ask({ title, body, action, answer: ({ asked }) => asked.value.trim() || null });
}

/**
 * Asks for a confirmation. Resolves to true or false.
 * @param {Confirmation} question
 */
export async function confirmed({ title, text, action, danger = false, keep = "Leave it" }) {
  const answer = await ask({ title, body: html`<p>${text}</p>`, action, danger, keep, answer: () => true });
  return answer === true;
}

/**
 * @template T
 * @param {{ title: string, body: Child, action: string, answer: (elements: Record<string, HTMLInputElement>) => T | null, danger?: boolean, keep?: string }} question
 * @returns {Promise<T | null>}
 */
function ask({ title, body, action, answer, danger = false, keep = "Not now" }) {
  return new Promise((resolve) => {
    /** @type {T | null} */
    let given = null;
    const dialog = document.createElement("dialog");
    dialog.setAttribute("aria-labelledby", "dialog-title");
    /** @param {Submitted} event */
    const submit = (event) => {
      event.preventDefault();
      given = answer(/** @type {any} */ (event.target.elements));
      if (given !== null) dialog.close();
    };
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(given);
    });
    render(html`<form onSubmit=${submit}>
      <h2 id="dialog-title">${title}</h2>${body}
      <div class="row end">
        <button type="button" onClick=${() => dialog.close()}>${keep}</button>
        <button type="submit" class=${danger ? "danger solid" : "primary"}>${action}</button>
      </div></form>`, dialog);
    document.body.append(dialog);
    dialog.showModal();
  });
}
