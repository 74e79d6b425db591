// The application: one client, one Status Center above everything, and what uses them.

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Tidemill } from "tidemill";
import { StatusCenter, TidemillProvider, useStatusCenterContext, useTidemill } from "tidemill/react";
import "tidemill/status-center.css";
import { Blockchain } from "./blockchain";
import { StatusCenterProvider } from "@/components/StatusCenterProvider";
import { ProjectCard } from "./project-card";
import { SaveWill } from "./save-will";
import "./style.css";

const client = new Tidemill({ scope: "ann" });

/** Work that outlives the page: a job, bound to its entry. Reload while it runs: the entry is there again. */
function Report() {
  const { track } = useStatusCenterContext();
  const tidemill = useTidemill();
  const make = () =>
    track((idempotencyKey) => tidemill.enqueue("start-project", { project: "report" }, { idempotencyKey }), { title: "Yearly report" });
  return <button onClick={make}>Make the report</button>;
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <TidemillProvider client={client}>
      <StatusCenterProvider>
        <main>
          <h1>Projects and wills</h1>
          <h2>Projects</h2>
          <ProjectCard project={{ id: 7, name: "Lighthouse" }} />
          <h2>Other work</h2>
          <p className="buttons">
            <SaveWill />
            <Blockchain />
            <Report />
          </p>
        </main>
        <StatusCenter />
      </StatusCenterProvider>
    </TidemillProvider>
  </StrictMode>,
);
