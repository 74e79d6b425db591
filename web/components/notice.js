// The box that shows a problem, and what to do about it. Must never show the name of a field as JSON writes it.

import { element } from "../lib/dom.js";

/** The problem and its remedy in the server's words; `act` is an optional button. */
export function notice(problem, act = null) {
  return element("div", { class: "notice", role: "alert" },
    element("div", {},
      element("strong", {}, problem.title || "That did not work"),
      element("p", {}, textOf(problem)),
      problem.remedy && element("p", { class: "muted" }, problem.remedy)),
    act);
}

/** The server names a field as a JSON pointer such as /queue, at times also in its sentence. */
function textOf({ field, message }) {
  const name = (field ?? "").replace(/^\//, "").replaceAll("/", ".");
  const text = message.replace(/^\/[\w/]*: /, "");
  return name === "" || text.includes(name) ? text : `${name}: ${text}`;
}
