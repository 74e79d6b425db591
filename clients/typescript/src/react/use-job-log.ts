// The log of a job, line by line. Must never show a line twice or out of order, nor keep more lines than asked for.

import { useMemo, useRef, useState } from "react";
import type { JobEvent } from "../core/index.js";
import { type UseJob, useJob } from "./use-job.js";

export interface LogLine {
  /** Its number among the job's events. */
  seq: number;
  attempt: number;
  /** `stdout`, `stderr`, or a name that the handler chose. */
  stream: string;
  text: string;
  /** RFC 3339. */
  at: string;
}

export interface UseJobLogOptions {
  /** `false` stops reading; the lines stay, and reading later continues after the last one. By default true. */
  enabled?: boolean;
  /**
   * Begin after this position (an earlier `lastEventId`); the option is read when the hook starts to follow the job.
   */
  lastEventId?: string | null;
  /** The whole log (`beginning`, the default), or only new lines. */
  from?: "beginning" | "latest";
  /** How many lines are kept, the newest; by default 1,000. */
  tail?: number;
}

export interface UseJobLog extends Pick<UseJob, "job" | "finished" | "connection" | "error"> {
  lines: LogLine[];
  /** How many lines were dropped because of `tail`. */
  dropped: number;
  /** The position after the last line, to continue from later. */
  lastEventId: string | null;
}

interface Kept {
  id: string | null | undefined;
  lines: LogLine[];
  dropped: number;
  lastEventId: string | null;
}

/** Follows the log of a job. */
export function useJobLog(id: string | null | undefined, options: UseJobLogOptions = {}): UseJobLog {
  const { tail = 1000, enabled, from, lastEventId } = options;
  const log = useMemo<Kept>(() => ({ id, lines: [], dropped: 0, lastEventId: null }), [id]);
  const current = useRef(log);
  current.current = log;
  const due = useRef(false);
  const [, show] = useState(0);
  const onEvent = (event: JobEvent) => {
    const kept = current.current;
    if (event.job_id !== kept.id || event.type === "snapshot") return;
    kept.lastEventId = event.id;
    if (event.type === "reset") kept.lines = kept.lines.filter((line) => line.seq <= event.seq);
    if (event.type === "log") add(kept, event, tail);
    if (due.current) return;
    due.current = true;
    // Lines that arrive together are shown in one render.
    setTimeout(() => {
      due.current = false;
      show((count) => count + 1);
    }, 50);
  };
  const position = log.lastEventId ?? lastEventId;
  const { job, finished, connection, error } = useJob(id, { enabled, from, lastEventId: position, onEvent });
  return { lines: log.lines, dropped: log.dropped, lastEventId: position ?? null, job, finished, connection, error };
}

function add(kept: Kept, event: JobEvent, tail: number): void {
  const { seq, attempt, stream = "stdout", line = "", at } = event;
  const lines = [...kept.lines, { seq, attempt, stream, text: line, at }];
  kept.dropped += Math.max(0, lines.length - tail);
  kept.lines = lines.slice(-tail);
}
