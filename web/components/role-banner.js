// The banner that says what the key of this tab may not do. Must never promise what the server refuses.

import { mayDo, onRole, whoAmI } from "../lib/role.js";
import { textOf } from "../lib/role-text.js";

/**
 * Keeps `banner` true, and hides the link to the form of new jobs from who may not use it.
 * @param {HTMLElement} banner
 * @param {HTMLElement} enqueueLink
 */
export function showRole(banner, enqueueLink) {
  onRole(() => {
    const me = whoAmI();
    const text = me === null ? "" : textOf(me);
    banner.hidden = text === "";
    banner.textContent = text;
    if (me) banner.dataset.role = me.role;
    enqueueLink.hidden = me !== null && !mayDo("enqueue");
  });
}
