// A team's own backend, as far as this example has one: starts a project as a job and answers at once. Must never wait for the
// job, nor let a browser choose what runs.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Connect, Plugin } from "vite";

const START = /^\/api\/orchestration\/([^/]+)\/start$/;

/** Answers `POST /api/orchestration/{project_id}/start` with `{task_id, status, message}`. */
export function backend(server: string, key?: string): Plugin {
  const handle = async (request: IncomingMessage, response: ServerResponse, next: Connect.NextFunction) => {
    const project = START.exec(request.url ?? "")?.[1];
    if (!project || request.method !== "POST") return next();
    const headers = { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) };
    const body = JSON.stringify({ kind: "start-project", args: { project: decodeURIComponent(project) } });
    try {
      const answer = await fetch(`${server}/api/v1/jobs`, { method: "POST", headers, body });
      const job = await answer.json();
      if (!answer.ok) throw new Error(`${job.detail} ${job.remedy}`);
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify({ task_id: job.id, status: "pending", message: "Project start initiated." }));
    } catch (error) {
      response.statusCode = 502;
      response.end(String(error));
    }
  };
  return {
    name: "backend",
    configureServer: ({ middlewares }) => void middlewares.use(handle),
    configurePreviewServer: ({ middlewares }) => void middlewares.use(handle),
  };
}
