// The client that the hooks use. Without a provider it is one for the page's own origin. Must never create a client in
// each render.

import { createContext, type ReactNode, useContext, useMemo } from "react";
import { Tidemill } from "../core/index.js";
import { type LiveJobs, liveJobs } from "../live/index.js";

const Context = createContext<Tidemill | null>(null);
let ownOrigin: Tidemill | undefined;

/** Gives all hooks below it a client. Make the client outside of components, or in `useState`. */
export function TidemillProvider({ client, children }: { client: Tidemill; children?: ReactNode }) {
  return <Context.Provider value={client}>{children}</Context.Provider>;
}

/** The client of the nearest provider, or one for the page's own origin. */
export function useTidemill(): Tidemill {
  const given = useContext(Context);
  if (given) return given;
  ownOrigin ??= new Tidemill();
  return ownOrigin;
}

/** The live jobs of that client. */
export function useLiveJobs(): LiveJobs {
  const client = useTidemill();
  return useMemo(() => liveJobs(client), [client]);
}
