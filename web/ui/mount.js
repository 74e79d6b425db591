// Mounts a Preact page in the frame of the dashboard. Must never leave a page mounted after the person has left it.

import { h, render } from "./html.js";

/**
 * Renders `Page` with `props` into `main`, or renders it again; returns a function that unmounts it.
 * @template P
 * @param {HTMLElement} main
 * @param {(props: P) => Child} Page
 * @param {P} props
 */
export function mount(main, Page, props) {
  render(h(/** @type {import("preact").ComponentType<any>} */ (Page), /** @type {any} */ (props)), main);
  return () => {
    render(null, main);
    main.replaceChildren();
  };
}
