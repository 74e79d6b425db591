// The files of a job: name, type, size and a link; pictures are shown. Must never let a file run in the page: a picture is
// drawn from its bytes, anything else is only linked.

import { path } from "../lib/api.js";
import { withBasePath } from "../lib/base-path.js";
import { element } from "../lib/dom.js";
import { size } from "../lib/format-size.js";

const PICTURES = new Set(["image/png", "image/jpeg", "image/webp", "image/gif"]);
const LARGEST_PICTURE = 5_000_000; // bytes; larger ones are only linked

/** The panel; `update(files, job)` takes the list of the API, and hides the panel if it is empty. */
export function filesPanel() {
  const list = element("ul", { class: "files plain", role: "list" });
  const panel = element("section", { class: "panel", "aria-labelledby": "files-title", hidden: true }, element("h2", { id: "files-title" }, "Files"), list);
  let shown = "";
  panel.update = (files, job) => {
    const text = JSON.stringify(files);
    if (text === shown) return;
    shown = text;
    panel.hidden = files.length === 0;
    list.replaceChildren(...files.map((file) => fileItem(file, path`/jobs/${job.id}/artifacts/${file.name}`)));
  };
  return panel;
}

function fileItem(file, address) {
  const link = element("a", { href: withBasePath(`/api/v1${address}`), target: "_blank", rel: "noopener", title: file.name }, file.name);
  const note = element("span", { class: "small muted" }, `${file.content_type} · ${size(file.bytes)}`);
  return element("li", {}, element("div", { class: "row wrap" }, link, note), isPicture(file) && picture(file, address));
}

const isPicture = (file) => PICTURES.has(file.content_type) && file.bytes <= LARGEST_PICTURE;

function picture(file, address) {
  const image = element("img", { class: "file-picture", alt: file.name, src: withBasePath(`/api/v1${address}`), error: () => image.remove() });
  return image;
}
