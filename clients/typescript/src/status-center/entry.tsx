// One entry and its buttons. Must never change another entry.

import { useState } from "react";
import { useStatusCenter } from "./context.js";
import type { Labels } from "./labels.js";
import { ProgressBar } from "./progress-bar.js";
import { isOver, type StatusEntry } from "./status.js";

const MARKS = { pending: "◌", syncing: "↻", processing: "↻", completed: "✓", failed: "!" };

export function Entry({ entry, labels, onDismiss }: { entry: StatusEntry; labels: Labels; onDismiss(): void }) {
  const { title, description, detail, status, href, steps, progress } = entry;
  const said = [description, detail].filter(Boolean);
  return (
    <li className="tm-entry" data-status={status} data-type={entry.type}>
      <span className="tm-mark" aria-hidden="true">
        {MARKS[status]}
      </span>
      <div className="tm-words">
        <strong dir="auto">{href ? <a href={href}>{title}</a> : title}</strong>
        <p className={said.length > 0 ? "tm-unseen" : ""}>{labels[status]}</p>
        {said.map((text) => (
          <p key={text} dir="auto">
            {text}
          </p>
        ))}
        {steps && (
          <ol className="tm-steps">
            {steps.map((step) => (
              <li key={step.label} data-status={step.status} dir="auto">
                <span aria-hidden="true">{MARKS[step.status]}</span> {step.label}
                <span className="tm-unseen">: {labels[step.status]}</span>
              </li>
            ))}
          </ol>
        )}
        {!isOver(entry) && <ProgressBar value={progress ?? null} label={title} />}
        <Actions entry={entry} labels={labels} />
      </div>
      <button type="button" className="tm-close" aria-label={`${labels.dismiss}: ${title}`} onClick={onDismiss}>
        ×
      </button>
    </li>
  );
}

function Actions({ entry, labels }: { entry: StatusEntry; labels: Labels }) {
  const { store, verbs } = useStatusCenter();
  const [wrong, setWrong] = useState("");
  const { status, jobId, job, actions = [], undo, tryAgain } = entry;
  const act = (label: string, work: () => unknown) => {
    const run = async () => {
      setWrong("");
      try {
        await work();
      } catch (error) {
        setWrong(error instanceof Error ? error.message : String(error));
      }
    };
    return (
      <button key={label} type="button" onClick={run}>
        {label}
      </button>
    );
  };
  const buttons = actions
    .filter(
      ({ onClick, verb, signal }) => onClick || (verb && verbs.current[verb]) || (signal && jobId && !isOver(entry)),
    )
    .map(({ label, onClick, verb, signal, payload }) =>
      act(label, () => {
        if (signal) return store.client.signal(jobId!, signal, payload);
        return onClick ? onClick(entry) : verbs.current[verb!]!(entry);
      }),
    );
  if (job && !isOver(entry) && !job.cancel_requested_at)
    buttons.push(act(labels.cancel, () => store.client.cancel(job.id)));
  if (status === "failed" && tryAgain) buttons.push(act(labels.tryAgain, tryAgain));
  else if (status === "failed" && job) buttons.push(act(labels.tryAgain, () => store.client.retry(job.id)));
  if (status === "completed" && undo) {
    buttons.push(
      act(labels.undo, async () => {
        await undo();
        store.dismiss(entry.id);
      }),
    );
  }
  if (buttons.length === 0) return null;
  return (
    <div className="tm-actions">
      {buttons}
      {wrong && (
        <p role="alert" dir="auto">
          {wrong}
        </p>
      )}
    </div>
  );
}
