// The dev server and the preview stand in for a team's own: pages and API have one origin, so no CORS is needed, and the key
// stays on this side.

import { fileURLToPath } from "node:url";
import { defineConfig, type ProxyOptions } from "vite";
import { backend } from "./backend.ts";

const server = process.env.TIDEMILL_URL ?? "http://127.0.0.1:8080";
const key = process.env.TIDEMILL_KEY;
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// Vite leaves a stream open when the server behind it is gone: the page would hear of that by the silence alone, after 40 s.
const configure: ProxyOptions["configure"] = (proxy) => {
  proxy.on("proxyRes", (answer, _, page) => answer.on("close", () => answer.complete || page.destroy()));
};
const headers = key && { Authorization: `Bearer ${key}` };
const proxy: Record<string, ProxyOptions> = {
  "/api": { target: server, changeOrigin: true, configure, ...(headers && { headers }) },
};

export default defineConfig({
  plugins: [backend(server, key)],
  resolve: {
    alias: {
      "@": here("./src"),
      // A stand-in; install wagmi and take this line away for a real wallet.
      wagmi: here("./src/wagmi.ts"),
    },
    // The package is linked from this repository, with a React of its own.
    dedupe: ["react", "react-dom"],
  },
  server: { port: 9000, proxy },
  preview: { port: 9000, proxy },
});
