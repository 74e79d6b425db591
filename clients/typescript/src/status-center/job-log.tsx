// The log of a job, live. Must never move the lines while the reader has scrolled away from the end.

import { useLayoutEffect, useRef } from "react";
import { type UseJobLogOptions, useJobLog } from "../react/use-job-log.js";

export interface JobLogProps extends UseJobLogOptions {
  jobId: string | null;
  /** By default "Log". */
  label?: string;
  className?: string;
}

const NEAR = 24; // pixels from the end within which the end is followed

export function JobLog({ jobId, label = "Log", className = "", ...options }: JobLogProps) {
  const { lines, dropped, connection, error } = useJobLog(jobId, options);
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: new lines are the reason to scroll
  useLayoutEffect(() => {
    if (box.current && follows.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  const scrolled = () => {
    const { scrollHeight = 0, scrollTop = 0, clientHeight = 0 } = box.current ?? {};
    follows.current = scrollHeight - scrollTop - clientHeight < NEAR;
  };
  const note = error?.message ?? WORDS[connection];
  // A log is too long to be announced, so it can get the focus itself.
  return (
    <div
      ref={box}
      className={`tm-log ${className}`}
      role="log"
      aria-label={label}
      aria-live="off"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
      tabIndex={0}
      onScroll={scrolled}
      dir="ltr"
    >
      {dropped > 0 && <p className="tm-log-note">{dropped} earlier lines are not shown.</p>}
      {lines.map((line) => (
        <div key={line.seq} data-stream={line.stream}>
          {line.text}
        </div>
      ))}
      {note && <p className="tm-log-note">{note}</p>}
    </div>
  );
}

const WORDS: Record<string, string> = {
  connecting: "Connecting…",
  reconnecting: "Connecting again…",
  offline: "No connection; it comes back by itself.",
  paused: "Paused while this page is out of sight.",
};
