// The log of a job with its head: find, wrap, copy, and the way to the end. Must never say that there are no lines before
// the job has ended.

import { html, useElement, useLayoutEffect, useState } from "../ui/html.js";
import { CopyButton } from "./copy-button.js";
import { Icon } from "./icon.js";

/**
 * `view` is the LogView; `stream` the state of the stream in a word.
 * @param {{ view: import("./log-view.js").LogView, stream: string, ended: boolean }} props
 */
export function JobLog({ view, stream, ended }) {
  const [frame, [found, setFound], [, setTurn]] = [useElement(), useState(true), useState(0)];
  const { lines, missed } = view;
  useLayoutEffect(() => {
    frame.current.prepend(view.box);
    view.changed = () => setTurn((turn) => turn + 1);
  }, []);
  /**
   * Enter leads to the next line with the text, with Shift to the one before.
   * @param {KeyboardEvent & { target: HTMLInputElement }} event
   */
  const find = ({ key, shiftKey, target }) => key === "Enter" && setFound(view.find(target.value, shiftKey ? -1 : 1) || target.value === "");
  return html`<section class="panel log-panel" aria-labelledby="log-title">
    <div class="row title wrap"><h2 id="log-title">Log</h2><span class="small muted">${stream}</span><span class="spacer"></span>
      <span class="small muted" role="status">${!found && "not found"}</span>
      <input type="search" class="log-find" placeholder="Find" aria-label="Find in the log" autocomplete="off" onKeyDown=${find} />
      <label class="check"><input type="checkbox" defaultChecked onChange=${/** @param {Changed} event */ (event) => view.setWrapped(event.target.checked)} />Wrap</label>
      <${CopyButton} text=${() => lines.text()} /></div>
    ${lines.dropped > 0 && html`<p class="log-cut muted small">${lines.dropped.toLocaleString("en")} earlier lines are not shown here; the API has them all.</p>`}
    <div class="log-frame" ref=${frame}>
      ${lines.blocks.length === 0 && html`<p class="log-none muted">${ended ? "It wrote no log lines." : "No log lines yet."}</p>`}
      ${missed > 0 && html`<button type="button" class="new-button log-down" onClick=${() => view.follow()}><${Icon} name="down" /><span>${missed.toLocaleString("en")} new ${missed === 1 ? "line" : "lines"}</span></button>`}
    </div></section>`;
}
