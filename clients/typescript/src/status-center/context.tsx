// Gives a tree of components one Status Center. Must never render again for a change that a component does not use.

import { createContext, type ReactNode, useContext, useEffect, useMemo, useSyncExternalStore } from "react";
import { useLatest } from "../react/latest.js";
import { useLiveJobs, useTidemill } from "../react/provider.js";
import { type ActivityOptions, lookAt, shownByKind } from "./activity.js";
import type { StatusEntry, StatusView } from "./status.js";
import { StatusStore } from "./store.js";

/** The functions of named actions; they still work after a reload, unlike functions in an entry. */
export type StatusVerbs = Record<string, (entry: StatusEntry) => unknown>;

export interface StatusCenterProviderProps {
  /** The user of the entries, such as the user's id: entries stored for a reload are stored for this user only. */
  scope?: string;
  /** The maximum number of entries; the oldest closed ones are removed first. By default 50. */
  max?: number;
  verbs?: StatusVerbs;
  /**
   * Shows the user's jobs from the server, whichever device or program enqueued them: for a client whose token has an owner,
   * or with `owner`. They are read when the page opens; entries of this page do not change.
   */
  activity?: boolean | ActivityOptions;
  children?: ReactNode;
}

interface Center {
  store: StatusStore;
  verbs: { current: StatusVerbs };
}

const Context = createContext<Center | null>(null);
const EMPTY: StatusView = { statuses: [], earlier: [] };

/**
 * Holds the entries for all components below it. Put it above the routes, so that entries remain after a navigation.
 */
export function StatusCenterProvider({
  scope,
  max,
  verbs = {},
  activity = false,
  children,
}: StatusCenterProviderProps) {
  const client = useTidemill();
  const live = useLiveJobs();
  const own = scope ?? (client.scope || "");
  const store = useMemo(
    () => new StatusStore({ client, live, scope: own, ...(max && { max }) }),
    [client, live, own, max],
  );
  useEffect(() => store.start(), [store]);
  useActivity(store, activity);
  const latest = useLatest(verbs);
  const center = useMemo(() => ({ store, verbs: latest }), [store, latest]);
  return <Context.Provider value={center}>{children}</Context.Provider>;
}

/** Adds the jobs from the server to the store. */
function useActivity(store: StatusStore, activity: boolean | ActivityOptions): void {
  const options = typeof activity === "object" ? activity : {};
  const { owner, every } = options;
  const latest = useLatest(options);
  const isOn = !!activity;
  useEffect(() => {
    if (!isOn) return;
    return lookAt(store.client, { ...(owner && { owner }), ...(every && { every }) }, (jobs, first) => {
      const shown = jobs.map((job) => [job, (latest.current.show ?? shownByKind)(job)] as const);
      store.learn(
        shown.flatMap(([job, status]) => (status ? [[job, status]] : [])),
        first,
      );
    });
  }, [store, isOn, owner, every, latest]);
}

/** The store of the nearest provider. @throws Error without a provider. */
export function useStatusCenter(): Center {
  const center = useContext(Context);
  if (!center) throw new Error("There is no Status Center here: put <StatusCenterProvider> above this component.");
  return center;
}

/** The entries and their actions; all that you need for your own panel. */
export function useStatusCenterContext() {
  const { store } = useStatusCenter();
  const view = useSyncExternalStore(
    store.subscribe,
    () => store.view,
    () => EMPTY,
  );
  return useMemo(
    () => ({
      ...view,
      /** Shows an entry at once; returns its id. */
      addStatus: store.add,
      /** Changes the given fields of an entry; the others stay. */
      updateStatus: store.update,
      /** Removes an entry; further calls have no effect. */
      dismissStatus: store.dismiss,
      /** Shows an entry, calls `work`, which enqueues the job, and binds the entry to that job. */
      track: store.track,
      clearEarlier: store.clearEarlier,
    }),
    [view, store],
  );
}
