// Gives a tree of components one Status Center. Must never render again for news that a component does not look at.

import { createContext, type ReactNode, useContext, useEffect, useMemo, useSyncExternalStore } from "react";
import { useLatest } from "../react/latest.js";
import { useLiveJobs, useTidemill } from "../react/provider.js";
import { type ActivityOptions, lookAt, shownByKind } from "./activity.js";
import type { StatusEntry, StatusView } from "./status.js";
import { StatusStore } from "./store.js";

/** What the names of an entry's actions do; found again after a reload, where functions are not. */
export type StatusVerbs = Record<string, (entry: StatusEntry) => unknown>;

export interface StatusCenterProviderProps {
  /** Whose entries these are, such as the user's id: what is kept over a reload is kept for it alone. */
  scope?: string;
  /** The most entries; the oldest ones that are over go first. By default 50. */
  max?: number;
  verbs?: StatusVerbs;
  /**
   * Shows the jobs of the user that the server knows, whichever device or program began them: for a client whose token has an
   * owner, or with `owner`. Read when the page is opened; entries from this page stay as they are.
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

/** Holds the entries for everything below it. Stands above the routes, so that entries outlive a page. */
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

/** Has the store learn of the jobs that the server names. */
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

/** The entries, and what may be done with them; everything to show them in your own way. */
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
      /** Shows something at once; answers its id. */
      addStatus: store.add,
      /** Changes what is said; what is left out stays. */
      updateStatus: store.update,
      /** Takes an entry away; as often as you like. */
      dismissStatus: store.dismiss,
      /** Shows an entry, sends the work, and binds the entry to the job that it became. */
      track: store.track,
      clearEarlier: store.clearEarlier,
    }),
    [view, store],
  );
}
