// Preact, its hooks and `html` for markup without a build step: the one module from which pages and components import
// them. Text in `html` becomes text nodes; nothing may ever set inner markup.

import htm from "../vendor/htm.js";
import { useRef } from "../vendor/hooks.js";
import { h } from "../vendor/preact.js";

export { Fragment, h, render } from "../vendor/preact.js";
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../vendor/hooks.js";

/**
 * A reference to an element, which is there once the component is drawn.
 *
 * @returns {{ current: any }}
 */
export const useElement = () => useRef(null);

/** Markup as a tagged template: html`<p class="muted">${text}</p>`. */
export const html = htm.bind(h);
