// Builds elements. Text becomes a text node; it must never become markup.

import { withBasePath } from "./base-path.js";

const SVG = "http://www.w3.org/2000/svg";

/** An element. A function becomes the listener of its event, true an attribute without a value; false and null are left out. */
export function element(tag, attributes = {}, ...children) {
  return fillElement(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function svgElement(tag, attributes = {}, ...children) {
  return fillElement(document.createElementNS(SVG, tag), attributes, children);
}

function fillElement(node, attributes, children) {
  const isRoute = "data-route" in attributes;
  for (const [name, given] of Object.entries(attributes)) {
    const value = isRoute && name === "href" ? withBasePath(given) : given;
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

/** Changes an element's text only if it differs, so that a selection in it is kept. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets or removes an attribute. */
export function setAttribute(node, name, value) {
  if (value == null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? "" : String(value));
}

/** Makes `children` the children of `parent`, in order; moves only those that are out of place. */
export function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}

/** Sets the options of a datalist to `names`. */
export function fillDatalist(datalist, names) {
  const sorted = [...new Set(names)].sort();
  const before = [...datalist.children].map((option) => option.value);
  if (sorted.join("\n") !== before.join("\n")) datalist.replaceChildren(...sorted.map((name) => element("option", { value: name })));
}
