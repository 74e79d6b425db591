// Announces changes to screen readers: ends and each quarter of progress politely, failures at once. Its two live
// regions exist before the first announcement. Must never announce each step of progress, nor entries that already
// existed.

import { useEffect, useRef, useState } from "react";
import type { Labels } from "./labels.js";
import { isOver, type StatusEntry } from "./status.js";

const SAYS = 150; // milliseconds in which announcements gather

export function Announcer({ statuses, labels }: { statuses: StatusEntry[]; labels: Labels }) {
  const before = useRef<Map<string, string> | null>(null);
  const due = useRef({
    polite: [] as string[],
    alert: [] as string[],
    timer: undefined as ReturnType<typeof setTimeout> | undefined,
  });
  const [said, say] = useState({ polite: "", alert: "" });
  useEffect(() => {
    const now = new Map(statuses.map((entry) => [entry.id, stage(entry)]));
    const known = before.current;
    before.current = now;
    if (!known) return;
    for (const entry of statuses) {
      if (known.get(entry.id) === now.get(entry.id) || (!known.has(entry.id) && entry.detail === "Checking…")) continue;
      const words = isOver(entry) || !entry.progress ? labels[entry.status] : `${quarter(entry)} %`;
      const more = entry.status === "failed" ? (entry.detail ?? entry.description) : "";
      due.current[entry.status === "failed" ? "alert" : "polite"].push(
        `${entry.title}: ${words}${more ? `, ${more}` : ""}.`,
      );
    }
    due.current.timer ??= setTimeout(() => {
      const { polite, alert } = due.current;
      due.current = { polite: [], alert: [], timer: undefined };
      if (polite.length + alert.length > 0) say({ polite: polite.join(" "), alert: alert.join(" ") });
    }, SAYS);
  }, [statuses, labels]);
  useEffect(
    () => () => {
      clearTimeout(due.current.timer);
      due.current.timer = undefined;
    },
    [],
  );
  return (
    <>
      <p className="tm-unseen" role="status">
        {said.polite}
      </p>
      <p className="tm-unseen" role="alert">
        {said.alert}
      </p>
    </>
  );
}

/** The part of an entry whose change is announced. */
function stage(entry: StatusEntry): string {
  return isOver(entry) ? entry.status : `${entry.status} ${quarter(entry)}`;
}

function quarter({ progress }: StatusEntry): number {
  return Math.floor((progress ?? 0) / 25) * 25;
}
