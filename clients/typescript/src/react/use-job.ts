// One job, live. Must never report the end of a job because a stream ended, nor show stale data without saying so.

import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { FINAL, type Job, type JobEvent, type Progress, type TidemillError } from "../core/index.js";
import type { Connection, JobView } from "../live/index.js";
import { useLatest } from "./latest.js";
import { useLiveJobs, useTidemill } from "./provider.js";

export interface UseJobOptions<Args = Record<string, unknown>, Result = unknown> {
  /** `false` closes the connection; the known data stays. By default true. */
  enabled?: boolean;
  /** Shown until the first answer, such as the answer of an enqueue. */
  initial?: Job<Args, Result> | null;
  /** Each event once and in order, also the log. */
  onEvent?(event: JobEvent): void;
  /** For `onEvent`: begin after this position; the option is read when the hook starts to follow the job. */
  lastEventId?: string | null;
  /** For `onEvent`: `beginning` (the default), or `latest` for new events only. */
  from?: "beginning" | "latest";
  /** Called once, when the job has ended. */
  onFinish?(job: Job<Args, Result>): void;
}

export interface UseJob<Args = Record<string, unknown>, Result = unknown> {
  job: Job<Args, Result> | null;
  progress: Progress | null;
  /** The handler's result; undefined until the job has completed. */
  result: Result | undefined;
  /** The reason why there are no updates, or that the job does not exist. The job's own failure is `job.error`. */
  error: TidemillError | null;
  /** True once no further updates will come. */
  finished: boolean;
  /** How the shown data is kept up to date. */
  connection: Connection;
  /** The position after the last event, to continue from later. */
  lastEventId: string | null;
  cancel(reason?: string): Promise<Job>;
  retry(): Promise<Job>;
  /** Sends the job a signal. */
  signal(name: string, payload?: unknown): Promise<unknown>;
  /** Reads the job now. */
  refetch(): Promise<void>;
}

const NOTHING: JobView = { job: null, connection: "idle", error: null, lastEventId: null };

/** Follows a job by its own id; `null` follows none. All components that follow one job share one subscription. */
export function useJob<Args = Record<string, unknown>, Result = unknown>(
  id: string | null | undefined,
  options: UseJobOptions<Args, Result> = {},
): UseJob<Args, Result> {
  const { enabled = true, initial = null, from } = options;
  const client = useTidemill();
  const latest = useLatest(options);
  const wantsEvents = !!options.onEvent;
  const view = useJobView(id, enabled, from, wantsEvents, latest);
  const shown = (view.job ?? (initial?.id === id ? initial : null)) as Job<Args, Result> | null;

  const finished = !!shown && FINAL.has(shown.state);
  const told = useRef<string | null>(null);
  const end = finished ? `${shown.id} ${shown.finished_at}` : null;
  useEffect(() => {
    if (!end || told.current === end || !enabled) return;
    told.current = end;
    latest.current.onFinish?.(shown!);
  });

  const verbs = useMemo(() => {
    const given = id ?? "";
    return {
      cancel: (reason?: string) => client.cancel(given, reason),
      retry: () => client.retry(given),
      signal: (name: string, payload?: unknown) => client.signal(given, name, payload),
    };
  }, [client, id]);
  const live = useLiveJobs();
  const refetch = useCallback(() => (id ? live.refresh([id]) : Promise.resolve()), [live, id]);
  const result = shown?.state === "completed" ? (shown.result as Result) : undefined;
  const { connection, error, lastEventId } = view;
  return {
    job: shown,
    progress: shown?.progress ?? null,
    result,
    error,
    finished,
    connection,
    lastEventId,
    refetch,
    ...verbs,
  };
}

/** The view of a job: followed while `enabled`, otherwise the last known view. */
function useJobView(
  id: string | null | undefined,
  enabled: boolean,
  from: "beginning" | "latest" | undefined,
  wantsEvents: boolean,
  latest: { current: { onEvent?(event: JobEvent): void; lastEventId?: string | null } },
): JobView {
  const live = useLiveJobs();
  const kept = useRef<{ id: string; view: JobView } | null>(null);
  const position = useRef<{ id: string; at: string } | null>(null);
  const subscribe = useCallback(
    (changed: () => void) => {
      if (!id || !enabled) return () => {};
      const onEvent = (event: JobEvent) => {
        position.current = { id, at: event.id };
        latest.current.onEvent?.(event);
      };
      const lastEventId = position.current?.id === id ? position.current.at : latest.current.lastEventId;
      return live.watch(id, {
        onChange: changed,
        ...(wantsEvents && { onEvent }),
        ...(lastEventId && { lastEventId }),
        ...(from && { from }),
      });
    },
    [live, id, enabled, from, wantsEvents, latest],
  );
  const look = () => {
    if (!id) return NOTHING;
    const view = live.view(id);
    const last = kept.current?.id === id ? kept.current.view : NOTHING;
    if (enabled && (view.job || view.error || !last.job)) {
      kept.current = { id, view };
      return view;
    }
    if (last.connection === "idle" || last.connection === "ended") return last;
    kept.current = { id, view: { ...last, connection: "idle" } };
    return kept.current.view;
  };
  return useSyncExternalStore(subscribe, look, () => NOTHING);
}
