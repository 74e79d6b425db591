// A list of jobs by filter, live.

import { useMemo, useSyncExternalStore } from "react";
import type { ListFilter } from "../core/index.js";
import { EMPTY, JobList, type JobListView } from "./job-list.js";
import { useLiveJobs, useTidemill } from "./provider.js";

export interface UseJobsOptions {
  /** `false` sends no requests; the known data stays. By default true. */
  enabled?: boolean;
  /** `false` reads the list once. By default its rows and its first page are kept up to date. */
  live?: boolean;
  /** Jobs of a page, 1 to 200; by default 50. */
  limit?: number;
  /** True: new jobs do not move the rows; they are counted in `newCount` until `showNew()`. */
  hold?: boolean;
}

export interface UseJobs extends JobListView {
  showNew(): void;
  loadMore(): Promise<void>;
  refetch(): Promise<void>;
}

const NOWHERE = () => () => {};

/** The jobs that match a filter, newest first. A row stays even if its job changes and no longer matches. */
export function useJobs(filter: ListFilter = {}, options: UseJobsOptions = {}): UseJobs {
  const { enabled = true, live = true, limit = 50, hold = false } = options;
  const client = useTidemill();
  const liveJobs = useLiveJobs();
  const key = JSON.stringify(filter);
  const list = useMemo(
    () => new JobList(client, liveJobs, JSON.parse(key), { limit, live }),
    [client, liveJobs, key, limit, live],
  );
  list.hold = hold;
  const view = useSyncExternalStore(
    enabled ? list.subscribe : NOWHERE,
    () => list.view,
    () => EMPTY,
  );
  return { ...view, showNew: list.showNew, loadMore: list.loadMore, refetch: list.refetch };
}
