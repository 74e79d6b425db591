// The status of a task, as `GET /api/orchestration/task-status/{task_id}` returns it: polled, and read at once when the
// job's event stream reports a change. Must never poll a task that has ended.

import { useEffect, useState } from "react";
import type { TidemillError } from "../core/index.js";
import type { Connection } from "../live/index.js";
import { useLiveJobs, useTidemill } from "./provider.js";
import { isOver, TaskPoll } from "./task-poll.js";
import type { TaskStatus } from "./task-status.js";

export interface UseTaskStatusOptions {
  /** `false` sends no requests; the known data stays. By default true. */
  enabled?: boolean;
  /** `false` only polls. By default an event of the job's stream triggers a read. */
  stream?: boolean;
  /**
   * A name for the purpose of the task, such as `project-7`: after a reload, while `taskId` is null, the hook follows
   * the last task of that name.
   */
  remember?: string;
}

/** Follows a task; `null` follows none. `isPolling` is true until the task has ended. */
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

  useEffect(() => {
    if (!id || !enabled) return;
    const poll = new TaskPoll(client, stream ? live : null, id, {
      status: (status) => setKnown({ id, status, error: null }),
      error: (error) => setKnown((before) => ({ id, status: before?.id === id ? before.status : null, error })),
      connection: setConnection,
    });
    return poll.stop;
  }, [client, live, id, enabled, stream]);

  const refused = !!current?.error && !current.error.passing;
  const isPolling = !!id && enabled && !isOver(current?.status) && !refused;
  return { status: current?.status ?? null, isPolling, connection, error: current?.error ?? null };
}

/** The given id, or the id that was last followed under the name. */
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
    // The task is followed even without storage.
  }
}
