// A list of jobs on the page whose rows keep their place while a pointer or the focus is on it.

import { arrange, element, setText } from "../lib/dom.js";
import { freshText, settle } from "../lib/list-update.js";

const canHover = matchMedia("(hover: hover)");

export class JobList {
  #make;
  #body;
  #held;
  #nodes = new Map();
  #ids = [];
  #latest = [];

  /** `make(job)` builds a row inside `body`. The list is held while the pointer is on `held`, or the focus on a row. */
  constructor(make, body, held) {
    this.#make = make;
    this.#body = body;
    this.#held = held;
    this.freshButton = element("button", { type: "button", class: "fresh", hidden: true, click: () => this.release() });
    held.addEventListener("pointerleave", () => this.#draw());
    body.addEventListener("focusout", () => setTimeout(() => this.#draw()));
  }

  /** Shows `ids` in order, with the documents of `jobs`. */
  show(ids, jobs) {
    this.#latest = ids;
    this.jobs = jobs;
    this.#draw();
  }

  /** Shows what is newest, also while held. */
  release() {
    this.#draw(false);
  }

  get empty() {
    return this.#ids.length === 0;
  }

  #draw(held = this.#isHeld()) {
    const { ids, fresh } = settle(this.#ids, this.#latest, held);
    this.#ids = ids;
    for (const id of ids) this.#node(id)?.update(this.jobs.get(id) ?? this.#nodes.get(id).job);
    arrange(this.#body, ids.map((id) => this.#nodes.get(id)).filter(Boolean));
    const kept = new Set(ids);
    for (const id of this.#nodes.keys()) if (!kept.has(id)) this.#nodes.delete(id);
    this.freshButton.hidden = fresh === 0;
    setText(this.freshButton, freshText(fresh));
  }

  #node(id) {
    const job = this.jobs.get(id);
    if (!this.#nodes.has(id) && job) this.#nodes.set(id, this.#make(job));
    const node = this.#nodes.get(id);
    if (node && job) node.job = job;
    return node;
  }

  #isHeld() {
    return (canHover.matches && this.#held.matches(":hover")) || this.#body.contains(document.activeElement);
  }
}
