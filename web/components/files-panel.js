// The files of a job: name, type, size and a link; pictures are shown. Must never let a file run in the page: a picture is
// drawn from its bytes, anything else is only linked.

import { path } from "../lib/api.js";
import { withBasePath } from "../lib/base-path.js";
import { size } from "../lib/format-size.js";
import { html } from "../ui/html.js";

const PICTURES = new Set(["image/png", "image/jpeg", "image/webp", "image/gif"]);
const LARGEST_PICTURE = 5_000_000; // bytes; larger ones are only linked

/**
 * `files` is the list of the API.
 * @param {{ files: Api.Artifact[], job: Job }} props
 */
export function FilesPanel({ files, job }) {
  if (files.length === 0) return null;
  return html`<section class="panel" aria-labelledby="files-title"><h2 id="files-title">Files</h2>
    <ul class="files plain" role="list">${files.map((file) => html`<${File} key=${file.name} file=${file} address=${withBasePath(path`/api/v1/jobs/${job.id}/artifacts/${file.name}`)} />`)}</ul></section>`;
}

/** @param {{ file: Api.Artifact, address: string }} props */
function File({ file: { name, content_type: type, bytes }, address }) {
  const isPicture = PICTURES.has(type) && bytes <= LARGEST_PICTURE;
  return html`<li>
    <div class="row wrap"><a href=${address} target="_blank" rel="noopener" title=${name}>${name}</a><span class="small muted">${type} · ${size(bytes)}</span></div>
    ${isPicture && html`<img class="file-picture" alt=${name} src=${address} onError=${/** @param {Changed} event */ (event) => (event.target.hidden = true)} />`}</li>`;
}
