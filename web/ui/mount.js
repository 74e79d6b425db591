// Puts a Preact page into the frame of the page. Must never leave a page mounted that was left.

import { h, render } from "./html.js";

/** Draws `Page` with `props` into `main`, or draws it again; returns a function to call when it is left. */
export function mount(main, Page, props) {
  render(h(Page, props), main);
  return () => {
    render(null, main);
    main.replaceChildren();
  };
}
