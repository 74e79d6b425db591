// A list of jobs whose rows keep their place while the pointer or the focus is on it. Must never move a row under the
// pointer.

import { arrange, element, setText } from "../lib/dom.js";
import { addedText, updateList } from "../lib/live/list-update.js";

const canHover = matchMedia("(hover: hover)");

export class JobList {
  #make;
  #body;
  #area;
  #nodes = new Map();
  #ids = [];
  #latest = [];
  #jobs = new Map();
  #reasonOf = () => null;

  /** `make(job)` builds a row inside `body`. The list is frozen while the pointer is on `area`, or the focus on a row. */
  constructor(make, body, area) {
    this.#make = make;
    this.#body = body;
    this.#area = area;
    this.newButton = element("button", { type: "button", class: "new-button", hidden: true, click: () => this.showNewest() });
    area.addEventListener("pointerleave", () => this.#draw());
    body.addEventListener("focusout", () => setTimeout(() => this.#draw()));
  }

  /** Shows `ids` in order, with the documents of `jobs`; `reasonOf(job)` says why one does not run. */
  show(ids, jobs, reasonOf = () => null) {
    this.#latest = ids;
    this.#jobs = jobs;
    this.#reasonOf = reasonOf;
    this.#draw();
  }

  /** Shows the newest rows, also while the list is frozen. */
  showNewest() {
    this.#draw(false);
  }

  get empty() {
    return this.#ids.length === 0;
  }

  #draw(frozen = this.#isFrozen()) {
    const { ids, added } = updateList(this.#ids, this.#latest, frozen);
    this.#ids = ids;
    for (const id of ids) {
      const job = this.#jobs.get(id) ?? this.#nodes.get(id)?.job;
      if (job) this.#node(id).update(job, this.#reasonOf(job));
    }
    arrange(this.#body, ids.map((id) => this.#nodes.get(id)).filter(Boolean));
    const kept = new Set(ids);
    for (const id of this.#nodes.keys()) if (!kept.has(id)) this.#nodes.delete(id);
    this.newButton.hidden = added === 0;
    setText(this.newButton, addedText(added));
  }

  #node(id) {
    const job = this.#jobs.get(id);
    if (!this.#nodes.has(id) && job) this.#nodes.set(id, this.#make(job));
    const node = this.#nodes.get(id);
    if (node && job) node.job = job;
    return node;
  }

  #isFrozen() {
    return (canHover.matches && this.#area.matches(":hover")) || this.#body.contains(document.activeElement);
  }
}
