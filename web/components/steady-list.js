// A list of jobs whose rows keep their place while the pointer or the focus is on it. Must never move a row under the
// pointer.

import { addedText, updateList } from "../lib/live/list-update.js";
import { html, useElement, useRef, useState } from "../ui/html.js";

const canHover = matchMedia("(hover: hover)");

/**
 * The documents of `latest` (ids) in `jobs`, as they are to be shown. The list is frozen while the pointer is on the
 * element with the attributes `area`, or the focus in the one with those of `body`; `newButton` shows what it holds back.
 * @param {string[]} latest
 * @param {Map<string, Job>} jobs
 */
export function useSteadyList(latest, jobs) {
  const [area, body, shown, known] = [useElement(), useElement(), useRef(/** @type {string[]} */ ([])), useRef(/** @type {Map<string, Job | undefined>} */ (new Map()))];
  const [, setTurn] = useState(0);
  const redraw = () => setTurn((turn) => turn + 1);
  const showNewest = () => {
    shown.current = [];
    redraw();
  };
  const frozen = (canHover.matches && area.current?.matches(":hover")) || body.current?.contains(document.activeElement);
  const { ids, added } = updateList(shown.current, latest, frozen);
  shown.current = ids;
  known.current = new Map(ids.map((id) => [id, jobs.get(id) ?? known.current.get(id)]));
  return {
    jobs: [...known.current.values()].filter((job) => job !== undefined),
    newButton: html`<button type="button" class="new-button" hidden=${added === 0} onClick=${showNewest}>${addedText(added)}</button>`,
    showNewest,
    area: { ref: area, onPointerLeave: redraw },
    body: { ref: body, onFocusOut: () => setTimeout(redraw) },
  };
}
