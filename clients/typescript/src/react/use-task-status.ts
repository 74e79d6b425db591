// The status of a task in the words of `GET /api/orchestration/task-status/{task_id}`: polled, and read at once when the job's
// event stream tells of news. Must never poll a task that is over.

import { useEffect, useState } from "react";
import { TidemillError } from "../core/index.js";
import type { Connection } from "../live/index.js";
import { useLiveJobs, useTidemill } from "./provider.js";

/** How a task stands. */
export interface TaskStatus {
  task_id: string;
  /** PENDING, BUILDING, RUNNING, SUCCESS, FAILURE or REVOKED. */
  state: string;
  /** True if it is over. */
  ready: boolean;
  /** What it does now, for a person. */
  status: string;
  /** From 0 to 100. */
  progress: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the task gave back
  result?: any;
  error?: string;
}

export interface UseTaskStatusOptions {
  /** `false` asks nothing; what is known stays. By default true. */
  enabled?: boolean;
  /** `false` polls alone. By default the job's event stream says when to ask. */
  stream?: boolean;
  /** A name of what the task is for, such as `project-7`: its last task is found again after a reload, where `taskId` is null. */
  remember?: string;
}

const OVER = ["SUCCESS", "FAILURE", "REVOKED"];
const LONGEST = 2_000; // milliseconds between two questions
const STREAMED = 15_000; // the same while the stream tells of news
const IN_VAIN = 15_000; // the same while no answer comes
const TOGETHER = 200; // milliseconds in which news gathers
/** Ids of Tidemill's own jobs (UUIDv7); a task of another system has no stream here. */
const HAS_STREAM = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

/** Follows a task; `null` follows none. `isPolling` is true until it is over. */
export function useTaskStatus(taskId: string | null, options: UseTaskStatusOptions = {}) {
  const { enabled = true, stream = true, remember } = options;
  const client = useTidemill();
  const live = useLiveJobs();
  const id = useRemembered(taskId, remember);
  const [known, setKnown] = useState<{ id: string; status: TaskStatus | null; error: TidemillError | null } | null>(
    null,
  );
  const [connection, setConnection] = useState<Connection>("idle");
  const current = known?.id === id ? known : null;
  const isOver = !!current?.status && OVER.includes(current.status.state);
  const refused = !!current?.error && !current.error.passing;

  useEffect(() => {
    if (!id || !enabled) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let wait = 0;
    let streamed = false;
    let ended = false;
    let unwatch = () => {};
    const stop = () => {
      ended = true;
      clearTimeout(timer);
      unwatch();
      setConnection("idle");
    };
    const later = (milliseconds: number) => {
      clearTimeout(timer);
      if (!ended) timer = setTimeout(ask, milliseconds);
    };
    const ask = async () => {
      try {
        const path = `/api/orchestration/task-status/${encodeURIComponent(id)}`;
        const status = await client.request<TaskStatus>(path);
        if (ended) return;
        setKnown({ id, status, error: null });
        if (OVER.includes(status.state)) return stop();
        // 0, 0.25 and 0.65 s, then in growing steps.
        wait = wait === 0 ? 250 : Math.min(wait * 1.6, LONGEST);
        later(streamed ? STREAMED : wait);
      } catch (cause) {
        if (ended) return;
        const error = cause instanceof TidemillError ? cause : new TidemillError(`${cause}`);
        setKnown((before) => ({ id, status: before?.id === id ? before.status : null, error }));
        if (cause instanceof TidemillError && !cause.passing) return stop();
        wait = Math.min(Math.max(wait, 500) * 1.6, IN_VAIN);
        later(wait * (0.75 + Math.random() / 2));
      }
    };
    const seen = () => document.visibilityState === "visible" && later(0);
    document.addEventListener("visibilitychange", seen);
    if (stream && HAS_STREAM.test(id)) {
      unwatch = live.watch(id, {
        onChange: ({ connection }) => {
          setConnection(connection);
          const was = streamed;
          streamed = connection === "live" || connection === "ended";
          if (streamed || was) later(TOGETHER);
        },
      });
    }
    void ask();
    return () => {
      document.removeEventListener("visibilitychange", seen);
      stop();
    };
  }, [client, live, id, enabled, stream]);

  const isPolling = !!id && enabled && !isOver && !refused;
  return { status: current?.status ?? null, isPolling, connection, error: current?.error ?? null };
}

/** The id, or the one that was last followed under a name. */
function useRemembered(taskId: string | null, name: string | undefined): string | null {
  const key = name && `tidemill:task:${name}`;
  const [stored] = useState(() => (key ? read(key) : null));
  useEffect(() => {
    if (key && taskId) write(key, taskId);
  }, [key, taskId]);
  return taskId ?? stored;
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // no storage, no memory
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // The task is followed all the same.
  }
}
