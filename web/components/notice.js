// The box that shows a problem, and what to do about it.

import { element } from "../lib/dom.js";

/** The problem and its remedy in the server's words; `act` is an optional button. */
export function notice(problem, act = null) {
  return element("div", { class: "notice", role: "alert" },
    element("div", {},
      element("strong", {}, problem.title || "That did not work"),
      element("p", {}, problem.field ? `${problem.field}: ${problem.message}` : problem.message),
      problem.remedy && element("p", { class: "muted" }, problem.remedy)),
    act);
}
