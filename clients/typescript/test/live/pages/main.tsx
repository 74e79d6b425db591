// The page that live tests look at: which part of the package it shows stands in its address. What tests ask for is in `window.test`.

import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { Tidemill } from "tidemill";
import { liveJobs } from "tidemill/live";
import {
  JobLog,
  StatusCenter,
  StatusCenterProvider,
  TidemillProvider,
  useEnqueue,
  useJob,
  useJobLog,
  useJobs,
  useStatusCenterContext,
  useTaskStatus,
} from "tidemill/react";
import "../../../src/status-center/status-center.css";

const asked = new URLSearchParams(location.search);
const url = asked.get("url") ?? "";
const jobs = asked.getAll("job");
const tokens: string[] = JSON.parse(asked.get("tokens") ?? "[]");
const given: boolean[] = [];
const client = new Tidemill({
  url,
  ...(asked.has("scope") && { scope: asked.get("scope")! }),
  ...(tokens.length > 0 && {
    token: async (expired: boolean) => {
      given.push(expired);
      return tokens[Math.min(given.length, tokens.length) - 1];
    },
  }),
});

declare global {
  interface Window {
    // biome-ignore lint/suspicious/noExplicitAny: whatever a test asks for
    test: any;
  }
}
window.test = { client, given, live: liveJobs(client), events: [] };

function Job({ id }: { id: string }) {
  const [enabled, enable] = useState(true);
  const { job, progress, connection, finished, error, lastEventId } = useJob(id, {
    enabled,
    ...(asked.has("events") && { onEvent: (event) => window.test.events.push(event) }),
  });
  return (
    <article data-job={id} data-connection={connection} data-finished={finished}>
      <h2>{job?.kind}</h2>
      <output>{`${job?.status} ${progress?.step ?? ""}`}</output>
      <p>{error?.message}</p>
      <code>{lastEventId}</code>
      <button type="button" onClick={() => enable(!enabled)}>
        {enabled ? "stop" : "start"}
      </button>
    </article>
  );
}

function Log({ id }: { id: string }) {
  const { lines, connection } = useJobLog(id);
  return (
    <section data-connection={connection}>
      <pre id="lines">{lines.map(({ seq, text }) => `${seq} ${text}`).join("\n")}</pre>
      <JobLog jobId={id} label="What it says" />
    </section>
  );
}

function List() {
  const { jobs, newCount, showNew, hasMore, loadMore, connection } = useJobs(
    { tag: asked.get("tag")! },
    { limit: 3, hold: asked.has("hold") },
  );
  return (
    <section data-connection={connection}>
      <ol>
        {jobs.map((job) => (
          <li key={job.id}>{`${job.args.n} ${job.status}`}</li>
        ))}
      </ol>
      <button type="button" id="new" onClick={showNew}>{`${newCount} new`}</button>
      {hasMore && (
        <button type="button" id="more" onClick={loadMore}>
          more
        </button>
      )}
    </section>
  );
}

function Enqueue() {
  const { enqueue, job, pending, finished, result, error } = useEnqueue<{ n: number }, { steps: number }>("steps");
  return (
    <section>
      <button type="button" onClick={() => enqueue({ n: 2 }).catch(() => {})}>
        Go
      </button>
      <output>{pending ? "pending" : finished ? `${job?.status} ${result?.steps}` : (error?.message ?? "")}</output>
    </section>
  );
}

function Task({ id }: { id: string }) {
  const { status, isPolling, connection } = useTaskStatus(id);
  return (
    <output
      data-connection={connection}
    >{`${isPolling} ${status?.state} ${status?.progress} ${status?.status}`}</output>
  );
}

function Center() {
  window.test.center = useStatusCenterContext();
  return (
    <>
      <h1>Status Center</h1>
      <p>
        <button type="button">Something else</button>
      </p>
      <StatusCenter />
    </>
  );
}

function App() {
  switch (asked.get("show")) {
    case "log":
      return <Log id={jobs[0]!} />;
    case "list":
      return <List />;
    case "enqueue":
      return <Enqueue />;
    case "task":
      return <Task id={jobs[0]!} />;
    case "center":
      return (
        <StatusCenterProvider
          scope={asked.get("user") ?? "ann"}
          max={2000}
          activity={asked.has("owner") && { owner: asked.get("owner")!, every: 500 }}
        >
          <Center />
        </StatusCenterProvider>
      );
    default:
      return jobs.map((id) => <Job key={id} id={id} />);
  }
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <TidemillProvider client={client}>
      <App />
    </TidemillProvider>
  </StrictMode>,
);
