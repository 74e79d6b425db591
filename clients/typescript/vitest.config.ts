// `unit` (on React 19 and 18) and `package` need nothing but Node; `live` needs a server (TIDEMILL_BINARY) and a Chromium.

import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const packages = [
  { find: /^tidemill$/, replacement: here("src/core/index.ts") },
  { find: /^tidemill\/(live|react)$/, replacement: here("src/$1/index.ts") },
];
const react18 = [
  {
    find: /^(react|react-dom|@testing-library\/react)($|\/.*)/,
    replacement: `${here("test/react-18/node_modules")}/$1$2`,
  },
];

export default defineConfig({
  test: {
    projects: [
      {
        resolve: { alias: packages },
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.{ts,tsx}"],
          environment: "happy-dom",
          setupFiles: "test/unit/setup.ts",
          testTimeout: 60_000,
        },
      },
      {
        resolve: { alias: [...packages, ...react18] },
        test: {
          name: "react-18",
          include: ["test/unit/**/*.test.tsx"],
          environment: "happy-dom",
          setupFiles: "test/unit/setup.ts",
          testTimeout: 60_000,
        },
      },
      { test: { name: "package", include: ["test/package/**/*.test.ts"], testTimeout: 60_000 } },
      {
        resolve: { alias: packages },
        test: {
          name: "live",
          include: ["test/live/**/*.test.ts"],
          globalSetup: "test/live/setup.ts",
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
