// Mounts a Preact page in the frame of the dashboard. Must never leave a page mounted after the person has left it.

import { h, render } from "./html.js";

/** Renders `Page` with `props` into `main`, or renders it again; returns a function that unmounts it. */
export function mount(main, Page, props) {
  render(h(Page, props), main);
  return () => {
    render(null, main);
    main.replaceChildren();
  };
}
