// The form that makes or changes one thing, with what the server refused of it. Must never be left by itself when the server
// refused.

import { html, useState } from "./html.js";
import { ProblemBox } from "./parts.js";

/**
 * `save(form)` sends what was entered; `button` is its word.
 *
 * @param {{ title: string, label?: string, button: string, save: (form: FormData) => Promise<void>, onLeft: () => void, children?: Child }} props
 */
export function EditForm({ title, label = title, button, save, onLeft, children }) {
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const submit = async (/** @type {Submitted} */ event) => {
    event.preventDefault();
    setProblem(null);
    try {
      await save(new FormData(event.target));
    } catch (refused) {
      setProblem(refused);
    }
  };
  return html`<form class="panel edit" aria-label=${label} onSubmit=${submit}>
    <h2>${title}</h2>${children}
    <${ProblemBox} problem=${problem} />
    <div class="row end"><button type="button" onClick=${onLeft}>Leave it</button><button type="submit" class="primary">${button}</button></div>
  </form>`;
}

/**
 * A field of such a form.
 *
 * @param {string} name
 * @param {string} word
 * @param {unknown} value
 * @param {object} rest
 */
export const field = (name, word, value, rest = {}) => html`<label class="field">${word}<input name=${name} defaultValue=${value ?? ""} autocomplete="off" spellcheck=${false} ...${rest} /></label>`;

/**
 * What a person typed into it, without white space around it.
 *
 * @param {FormData} form
 * @param {string} name
 */
export const textIn = (form, name) => String(form.get(name) ?? "").trim();
