// The live tests' page, built once by Vite, and a server for it that passes /api on to a Tidemill, as a team's own does: and so
// page and API have one origin. It counts the event streams that are open through it.

import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const PAGES = fileURLToPath(new URL("./pages", import.meta.url));
const TYPES: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };
let built: Promise<string> | undefined;

/** Builds the page; answers its folder. */
export function builtPage(root = PAGES): Promise<string> {
  const outDir = join(root, "dist");
  const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  built ??= build({
    root,
    base: "./",
    logLevel: "error",
    configFile: false,
    build: { outDir, emptyOutDir: true, minify: false },
    resolve: {
      alias: [
        { find: /^tidemill$/, replacement: here("../../src/core/index.ts") },
        { find: /^tidemill\/(live|react)$/, replacement: here("../../src/$1/index.ts") },
      ],
    },
  }).then(() => outDir);
  return built;
}

export class Site {
  readonly url: string;
  /** Event streams that are open now. */
  streams = 0;
  /** The most that were open at once. */
  most = 0;
  /** Lets no stream through, as some proxies do. */
  blocked = false;
  /** Every request that went on to Tidemill, as `GET /api/…`. */
  readonly seen: string[] = [];
  /** What `Last-Event-ID` the streams came with. */
  readonly positions: string[] = [];
  /** Passes `Host` and `Origin` on as they came, as a proxy of the same site does. */
  keepsNames = false;
  readonly #server: Server;

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  /** Serves a built page before a Tidemill. */
  static async start(mill: string, folder: string): Promise<Site> {
    let site: Site;
    const server = createServer((incoming, outgoing) => site.#serve(incoming, outgoing, mill, folder));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address() as { port: number };
    site = new Site(server, `http://127.0.0.1:${address.port}`);
    return site;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(incoming: IncomingMessage, outgoing: ServerResponse, mill: string, folder: string): void {
    if (/^\/(api|execute|task-status)/.test(incoming.url ?? "")) return this.#pass(incoming, outgoing, mill);
    const path = new URL(incoming.url ?? "/", "http://x").pathname;
    const file = join(folder, path === "/" ? "index.html" : path);
    readFile(file).then(
      (body) => outgoing.writeHead(200, { "content-type": TYPES[extname(file)] ?? "text/plain" }).end(body),
      () => outgoing.writeHead(404, { "content-type": "text/plain" }).end("nothing here"),
    );
  }

  #pass(incoming: IncomingMessage, outgoing: ServerResponse, mill: string): void {
    this.seen.push(`${incoming.method} ${incoming.url}`);
    if (this.blocked && incoming.headers.accept === "text/event-stream") {
      outgoing.writeHead(504).end("no streams here");
      return;
    }
    const { origin, ...headers } = incoming.headers;
    const names = this.keepsNames ? { host: headers.host, ...(origin && { origin }) } : { host: new URL(mill).host };
    const to = request(
      new URL(incoming.url ?? "/", mill),
      { method: incoming.method, headers: { ...headers, ...names } },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
        if (answer.headers["content-type"]?.startsWith("text/event-stream")) this.#count(incoming, outgoing);
        answer.on("error", () => outgoing.destroy());
      },
    );
    to.on("error", () => (outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(502).end("no server behind")));
    incoming.pipe(to);
    outgoing.on("close", () => to.destroy());
  }

  #count(incoming: IncomingMessage, outgoing: ServerResponse): void {
    this.positions.push(`${incoming.headers["last-event-id"] ?? ""}`);
    this.streams += 1;
    this.most = Math.max(this.most, this.streams);
    outgoing.on("close", () => {
      this.streams -= 1;
    });
  }
}
